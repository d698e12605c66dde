"""AutoGen's names and its `code_execution_config` mean here what its documents say, and what they refuse is refused."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convgraph.coding import (
    BubblewrapCodeExecutor,
    CodeBlock,
    CodeExecutor,
    CommandLineCodeResult,
    DockerCommandLineCodeExecutor,
    JupyterCodeExecutor,
    LocalCommandLineCodeExecutor,
    MarkdownCodeExtractor,
    executor_from_config,
    with_requirements,
)
from convgraph.errors import DefinitionError, ExecutorUnavailable, InputError

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _nothing_said_by_the_developers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOGEN_USE_DOCKER", raising=False)


@pytest.mark.parametrize("make", [LocalCommandLineCodeExecutor, BubblewrapCodeExecutor, DockerCommandLineCodeExecutor, JupyterCodeExecutor])
def test_an_executor_is_used_without_asynchronous_code(make: Callable[..., Any], tmp_path: Path) -> None:
    with make(work_dir=tmp_path / "work", timeout=30) as executor:
        message = "Run:\n```python\nprint(6 * 7)\n```"
        result = executor.execute_code_blocks(code_blocks=executor.code_extractor.extract_code_blocks(message))
        assert isinstance(result, CommandLineCodeResult)
        assert (result.exit_code, result.output) == (0, "42\n")
        assert Path(str(result.code_file)).read_text() == "print(6 * 7)"
        executor.restart()
        after = executor.execute_code_blocks([CodeBlock(code=f"cat {Path(str(result.code_file)).name}; exit 3", language="sh")])
        assert (after.exit_code, after.output) == (3, "print(6 * 7)")


def test_a_restarted_kernel_knows_nothing(tmp_path: Path) -> None:
    with JupyterCodeExecutor(work_dir=tmp_path) as executor:
        assert executor.execute_code_blocks([CodeBlock("python", "known = 1")]).exit_code == 0
        executor.restart()
        assert "NameError" in executor.execute_code_blocks([CodeBlock("python", "known")]).output


def test_the_extractor_reads_a_text_the_parts_of_a_message_and_nothing() -> None:
    extractor = MarkdownCodeExtractor()
    text = "```sh\nls\n```"
    assert extractor.extract_code_blocks(text) == [CodeBlock("sh", "ls")]
    assert extractor.extract_code_blocks([{"type": "image_url", "image_url": {}}, {"type": "text", "text": text}]) == [
        CodeBlock("sh", "ls")
    ]
    assert extractor.extract_code_blocks(None) == []


def test_local_code_runs_in_the_current_folder_unless_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert LocalCommandLineCodeExecutor().execute_code_blocks([CodeBlock("sh", "pwd")]).output == f"{tmp_path}\n"


def test_a_policy_saves_what_would_run(tmp_path: Path) -> None:
    executor = LocalCommandLineCodeExecutor(work_dir=tmp_path, execution_policies={"Python": False, "sh": True})
    for language in ("python", "py", "Python3"):
        result = executor.execute_code_blocks([CodeBlock(language, "# filename: kept.py\nprint('ran')")])
        assert (result.exit_code, result.output) == (0, "saved as kept.py\n")
    assert executor.execute_code_blocks([CodeBlock("sh", "echo ran")]).output == "ran\n"


def test_a_policy_cannot_make_a_language_run() -> None:
    with pytest.raises(DefinitionError, match="'html' cannot be run"):
        DockerCommandLineCodeExecutor(execution_policies={"html": True})


def test_local_code_runs_in_a_virtual_environment(tmp_path: Path) -> None:
    builder = venv.EnvBuilder(with_pip=False)
    builder.create(tmp_path / "env")
    context = builder.ensure_directories(tmp_path / "env")
    executor = LocalCommandLineCodeExecutor(work_dir=tmp_path, virtual_env_context=context)
    blocks = [CodeBlock("python", "import sys; print(sys.prefix)"), CodeBlock("sh", "command -v python")]
    assert executor.execute_code_blocks(blocks).output.split() == [str(tmp_path / "env"), str(tmp_path / "env/bin/python")]


@with_requirements(global_imports=["math"])
def area(radius: float) -> float:
    """The area of a circle."""
    return math.pi * radius**2  # noqa: F821  # pyright: ignore[reportUndefinedVariable, reportUnknownMemberType, reportUnknownVariableType]  # imported where it runs


def greet(name: str) -> str:
    return f"hello {name}"


def test_code_imports_the_functions_that_it_is_given(tmp_path: Path) -> None:
    executor = LocalCommandLineCodeExecutor(work_dir=tmp_path, functions=[area, greet], functions_module="given")
    code = "from given import area, greet\nprint(round(area(1), 2), greet('you'))"
    assert executor.execute_code_blocks([CodeBlock("python", code)]).output == "3.14 hello you\n"
    prompt = executor.format_functions_for_prompt()
    assert "module `given`" in prompt
    assert 'def area(radius: \'float\') -> \'float\':\n    """The area of a circle."""\n    ...' in prompt


def test_the_functions_module_takes_no_file_of_somebody_elses_away(tmp_path: Path) -> None:
    (tmp_path / "functions.py").write_text("mine = 1\n")
    for name in ("functions", "given", "given"):
        executor = LocalCommandLineCodeExecutor(work_dir=tmp_path, functions=[greet], functions_module=name)
        if name == "functions":
            with pytest.raises(InputError, match="functions_module="):
                executor.execute_code_blocks([CodeBlock("python", "pass")])
        else:
            assert executor.execute_code_blocks([CodeBlock("python", "import given")]).exit_code == 0
    assert (tmp_path / "functions.py").read_text() == "mine = 1\n"


def test_a_package_that_functions_need_and_that_cannot_be_had_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    needy = with_requirements(python_packages=["no-such-package-as-this"])(greet)
    executor = LocalCommandLineCodeExecutor(work_dir=tmp_path, functions=[needy])
    with pytest.raises(ExecutorUnavailable, match="no-such-package-as-this"):
        executor.execute_code_blocks([CodeBlock("python", "pass")])
    delattr(greet, "__convgraph_requirements__")


@pytest.mark.parametrize("function", [len, lambda: 1])
def test_a_function_without_a_definition_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(DefinitionError, match="functions="):
        LocalCommandLineCodeExecutor(functions=[function])


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({}, DockerCommandLineCodeExecutor),
        ({"last_n_messages": "auto", "work_dir": "x"}, DockerCommandLineCodeExecutor),
        ({"use_docker": True}, DockerCommandLineCodeExecutor),
        ({"use_docker": "python:3-slim"}, DockerCommandLineCodeExecutor),
        ({"use_docker": ["one", "two"], "timeout": 5}, DockerCommandLineCodeExecutor),
        ({"use_docker": False}, LocalCommandLineCodeExecutor),
        ({"executor": "commandline-local", "commandline-local": {"timeout": 5}, "last_n_messages": 3}, LocalCommandLineCodeExecutor),
        ({"executor": "docker", "docker": {"image": "x", "bind_dir": "y"}}, DockerCommandLineCodeExecutor),
        ({"executor": "jupyter"}, JupyterCodeExecutor),
        ({"executor": "ipython-embedded", "ipython-embedded": {"timeout": 5}}, JupyterCodeExecutor),
        ({"executor": "bubblewrap"}, BubblewrapCodeExecutor),
    ],
)
def test_a_config_makes_its_executor(config: dict[str, Any], kind: type) -> None:
    assert type(executor_from_config(config)) is kind


def test_a_config_keeps_its_executor_and_false_has_none() -> None:
    executor = LocalCommandLineCodeExecutor()
    assert executor_from_config({"executor": executor}) is executor
    assert executor_from_config(False) is None
    assert executor_from_config(None) is None


def test_a_config_is_not_changed() -> None:
    config = {"executor": "commandline-local", "commandline-local": {"timeout": 5}}
    executor_from_config(config)
    assert config == {"executor": "commandline-local", "commandline-local": {"timeout": 5}}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"workdir": "x"}, "'workdir'"),
        ({"commandline-local": {}}, "'commandline-local'"),
        ({"executor": "docker", "use_docker": True}, "'use_docker'"),
        ({"executor": LocalCommandLineCodeExecutor(), "work_dir": "x"}, "'work_dir'"),
        ({"executor": "docker", "timeout": 5}, "'timeout'"),
        ({"executor": "docker", "commandline-local": {}}, "'commandline-local'"),
        ({"executor": "no-such"}, "'no-such'"),
        ({"executor": "docker", "docker": {"imag": "x"}}, "'imag'"),
        ({"executor": "docker", "docker": 5}, "settings"),
        ({"executor": 5}, "execute_code_blocks"),
        ({"use_docker": 5}, "use_docker"),
        (["docker"], "mapping"),
        (True, "mapping"),
    ],
)
def test_a_config_that_autogen_refuses_is_refused(config: Any, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        executor_from_config(config)


@pytest.mark.parametrize(
    ("said", "kind"),
    [("", "docker"), ("1", "docker"), ("True", "docker"), ("none", "docker"), ("0", "local"), ("False", "local"), ("no", "local")],
)
def test_the_environment_decides_for_those_who_do_not(monkeypatch: pytest.MonkeyPatch, said: str, kind: str) -> None:
    monkeypatch.setenv("AUTOGEN_USE_DOCKER", said)
    for config in ({}, {"use_docker": None}):
        executor = executor_from_config(config)
        assert executor is not None
        assert executor.name == kind
    decided = executor_from_config({"use_docker": True})
    assert decided is not None
    assert decided.name == "docker"


def test_an_environment_that_says_neither_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGEN_USE_DOCKER", "perhaps")
    with pytest.raises(DefinitionError, match="'perhaps'"):
        executor_from_config({})


async def test_an_executor_of_autogens_protocol_is_taken() -> None:
    class Echo:
        def execute_code_blocks(self, code_blocks: list[CodeBlock]) -> CommandLineCodeResult:
            return CommandLineCodeResult(exit_code=0, output=" ".join(block.code for block in code_blocks), code_file="echo.py")

    executor = executor_from_config({"executor": Echo()})
    assert isinstance(executor, CodeExecutor)
    async with executor.session() as own:
        result = await own.execute([CodeBlock("python", "one"), CodeBlock("python", "two")], key="turn 1")
    assert (result.output, result.code_file) == ("one two", "echo.py")


def test_making_executors_loads_no_engine() -> None:
    code = "import sys, convgraph.coding as c; c.executor_from_config({}); sys.exit(bool({'docker', 'jupyter_client'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
