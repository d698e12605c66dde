"""Every executor runs Python and shell, leaves files in the work folder, and reports failure as a result."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convgraph.coding import (
    BubblewrapCodeExecutor,
    CodeBlock,
    CodeExecutor,
    DockerCommandLineCodeExecutor,
    JupyterCodeExecutor,
    LocalCommandLineCodeExecutor,
    default_executor,
)
from convgraph.errors import ExecutorUnavailable, InputError
from convgraph.sync import run_sync

pytestmark = pytest.mark.anyio


@pytest.fixture
def own_tmp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files that nobody else uses; its name is short, as names of sockets must be."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


async def test_python_and_shell_run(every: Any) -> None:
    assert isinstance(every.executor, CodeExecutor)
    result = await every.executor.execute([CodeBlock("python", "print(6 * 7)"), CodeBlock("sh", "echo and $((1 + 1))")])
    assert (result.exit_code, result.output, result.timed_out, result.oom) == (0, "42\nand 2\n", False, False)


async def test_files_appear_in_the_work_folder_and_in_the_result(every: Any) -> None:
    result = await every.sh("mkdir -p deep && echo hello > deep/made.txt && ln -sf /etc/passwd link")
    assert result.files == ("deep/made.txt",)
    assert (every.work_dir / "deep/made.txt").read_text() == "hello\n"
    assert (await every.python("print(open('deep/made.txt').read())")).files == ()


async def test_the_first_failure_ends_the_call(every: Any) -> None:
    blocks = [CodeBlock("python", "print('one')"), CodeBlock("sh", "echo two >&2; exit 7"), CodeBlock("sh", "echo three")]
    result = await every.executor.execute(blocks)
    assert (result.exit_code, result.output) == (7, "one\ntwo\n")


async def test_an_error_comes_with_its_traceback(every: Any) -> None:
    result = await every.python("def half(x):\n    return x / 0\nhalf(1)")
    assert result.exit_code == 1
    assert "ZeroDivisionError" in result.output
    assert "half" in result.output


async def test_a_named_block_is_that_file(every: Any) -> None:
    result = await every.executor.execute(
        [CodeBlock("python", "# filename: lib/one.py\nvalue = 11"), CodeBlock("sh", "grep -c value lib/one.py")]
    )
    assert (result.exit_code, result.output, result.files) == (0, "1\n", ("lib/one.py",))


async def test_no_name_leads_out_of_the_folder_not_even_by_a_link_of_earlier_code(every: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "victim").write_text("as it was")
    result = await every.sh(f"# filename: ../up.sh\necho ran > {tmp_path}/ran")
    assert result.exit_code == 1
    assert "work folder" in result.output
    await every.sh(f"ln -sfn {tmp_path} out; ln -sf {tmp_path}/victim victim")
    through_a_folder = await every.sh("# filename: out/new.sh\necho ran")
    assert (through_a_folder.exit_code, "work folder" in through_a_folder.output) == (1, True)
    await every.sh("# filename: victim\necho ran")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"victim": "as it was"}


async def test_an_unknown_language_is_a_failure_that_says_what_runs(every: Any) -> None:
    result = await every.executor.execute([CodeBlock("cobol", "STOP RUN.")])
    assert result.exit_code == 1
    assert "'cobol'" in result.output
    assert "python, sh and bash" in result.output


async def test_a_page_is_saved_and_not_run(every: Any) -> None:
    result = await every.executor.execute([CodeBlock("html", "<!-- filename: page.html -->\n<b>hi</b>")])
    assert (result.exit_code, result.files) == (0, ("page.html",))
    assert "<b>hi</b>" in (every.work_dir / "page.html").read_text()


async def test_the_same_key_gives_the_same_file_names(every: Any) -> None:
    before = {path.name for path in every.work_dir.iterdir()}
    for code in ("echo 1", "echo 2"):
        await every.executor.execute([CodeBlock("sh", code)], key="turn 3")
    assert len({path.name for path in every.work_dir.iterdir()} - before) == 1


async def test_calls_at_once_take_turns(every: Any) -> None:
    code = "test ! -e busy && touch busy && sleep 0.05 && rm busy"
    results = await asyncio.gather(*(every.sh(code) for _ in range(3)))
    assert [result.exit_code for result in results] == [0, 0, 0]


async def test_long_output_keeps_its_beginning_and_its_end(every: Any) -> None:
    result = await every.python("print('begin'); print('x' * 1_000_000); print('end')")
    assert result.output.startswith("begin\n")
    assert result.output.endswith("end\n")
    assert "900,011 bytes left out" in result.output
    assert len(result.output) < 101_000


@pytest.mark.parametrize("make", [LocalCommandLineCodeExecutor, BubblewrapCodeExecutor, DockerCommandLineCodeExecutor, JupyterCodeExecutor])
def test_an_executor_serves_calls_from_several_event_loops_and_cleans_up(make: Any, own_tmp: Path) -> None:
    """Each call of a synchronous face has an event loop of its own."""
    executor = make(work_dir=None)
    assert run_sync(executor.execute([CodeBlock("python", "open('kept', 'w').write('x')")])).files == ("kept",)
    folder = executor.work_dir
    assert run_sync(executor.execute([CodeBlock("python", "print(open('kept').read())")])).output == "x\n"
    run_sync(executor.close())
    executor.stop()
    assert not folder.exists()
    assert list(own_tmp.iterdir()) == []


async def test_a_folder_of_the_callers_is_kept(tmp_path: Path) -> None:
    async with LocalCommandLineCodeExecutor(work_dir=tmp_path / "mine") as executor:
        await executor.execute([CodeBlock("sh", "echo x > kept")])
    assert (tmp_path / "mine/kept").read_text() == "x\n"


def test_a_limit_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="positive"):
        LocalCommandLineCodeExecutor(timeout=0)


async def test_without_an_engine_the_default_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    executor = default_executor(work_dir=tmp_path / "work")
    assert executor.isolation == "container"
    with pytest.raises(ExecutorUnavailable, match=r"apt-get install docker\.io.*use_docker=False"):
        await executor.execute([CodeBlock("sh", f"touch {tmp_path}/ran")])
    assert not (tmp_path / "ran").exists()


async def test_without_docker_means_a_plain_process() -> None:
    executor = default_executor(use_docker=False)
    assert isinstance(executor, LocalCommandLineCodeExecutor)
    assert (executor.name, executor.isolation) == ("local", "none")
    assert (await executor.execute([CodeBlock("sh", "echo ran")])).output == "ran\n"
    executor.stop()


async def test_without_bubblewrap_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExecutorUnavailable, match="apt-get install bubblewrap"):
        await BubblewrapCodeExecutor().execute([CodeBlock("sh", "true")])
