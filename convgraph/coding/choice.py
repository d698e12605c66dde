"""The executor of those who do not choose one, and of those who choose one in AutoGen's words."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from convgraph.coding.autogen_protocol import executor_of
from convgraph.coding.bubblewrap import BubblewrapCodeExecutor
from convgraph.coding.docker import DockerCommandLineCodeExecutor
from convgraph.coding.executor import CodeExecutor, WorkFolderExecutor
from convgraph.coding.jupyter import JupyterCodeExecutor
from convgraph.coding.local import LocalCommandLineCodeExecutor
from convgraph.errors import DefinitionError, InputError

_NAMED: Mapping[str, type[WorkFolderExecutor]] = {
    "commandline-local": LocalCommandLineCodeExecutor,
    "docker": DockerCommandLineCodeExecutor,
    "bubblewrap": BubblewrapCodeExecutor,
    "jupyter": JupyterCodeExecutor,
    "ipython-embedded": JupyterCodeExecutor,
}
_LEGACY = ("use_docker", "work_dir", "timeout")
_OF_THE_AGENT = ("last_n_messages", "pictures", "approve")
_LEGACY_TIMEOUT = 600.0
_YES, _NO = ("1", "true", "yes", "t"), ("0", "false", "no", "f")


def default_executor(
    *, work_dir: str | os.PathLike[str] | None = None, use_docker: bool | str | Sequence[str] | None = True, timeout: float = 60
) -> CodeExecutor:
    """A container, unless `use_docker=False` asks for a plain process of this machine.

    Making it asks nothing of the machine. When no Docker engine answers, `execute` raises `ExecutorUnavailable`, which
    says what to start or what to choose instead: code never runs without a sandbox because one is missing.

    Args:
        work_dir: where code runs and leaves its files. None: a temporary folder.
        use_docker: AutoGen's word. A text is the name of the image; of several, the first that is to be had. None:
            what the environment variable `AUTOGEN_USE_DOCKER` says, and True when it says nothing.
        timeout: seconds for all blocks of a call together.

    Raises `DefinitionError` when the environment variable says neither yes nor no.

    """
    chosen = _from_environment() if use_docker is None else use_docker
    if chosen is False:
        return LocalCommandLineCodeExecutor(work_dir=work_dir, timeout=timeout)
    return DockerCommandLineCodeExecutor(work_dir=work_dir, timeout=timeout, image=None if chosen is True else chosen)


def executor_from_config(config: Mapping[str, Any] | Literal[False] | None) -> CodeExecutor | None:
    """The executor that AutoGen's `code_execution_config` describes; None where it is False or None: no code is run.

    Either `executor` says which: an executor, or a name ("commandline-local", "docker", "jupyter", "bubblewrap") with its
    settings in a mapping under the same name. Or `use_docker`, `work_dir` and `timeout` do, as of `default_executor`, for
    600 seconds unless said otherwise. `last_n_messages`, `pictures` and `approve` are the agent's, and not looked at here.

    Raises `DefinitionError` for anything else: an unknown key or name, a setting that the executor does not have, or both ways at once.
    """
    if config is None or config is False:
        return None
    if not isinstance(config, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # what callers really pass is checked
        raise DefinitionError(f"code_execution_config is a mapping, or False for no code; not {config!r:.100}")
    if "executor" in config:
        return _chosen(config)
    _refuse_others(config, _LEGACY)
    use_docker, timeout = config.get("use_docker"), config.get("timeout", _LEGACY_TIMEOUT)
    if not (use_docker is None or isinstance(use_docker, bool | str | list | tuple)):
        raise DefinitionError(f"use_docker is True, False, None or the names of images, not {use_docker!r:.100}")
    return default_executor(work_dir=config.get("work_dir"), use_docker=cast("Any", use_docker), timeout=timeout)


def executor_described(described: Mapping[str, Any]) -> WorkFolderExecutor:
    """The executor that says this of itself (`describe`), in a temporary work folder.

    Raises `DefinitionError` for what cannot be made again from what it says.
    """
    settings = dict(described)
    kind = settings.pop("type", None)
    make: Any = next((one for one in _NAMED.values() if one.__name__ == kind), None)
    if make is None:
        names = dict.fromkeys(one.__name__ for one in _NAMED.values())
        raise DefinitionError(f"type: {kind!r} is no executor that can be made from a document ({', '.join(names)})")
    if functions := settings.pop("functions", None):
        raise DefinitionError(f"functions: the source of {', '.join(map(str, functions))} is in no document")
    if reads := settings.pop("reads", None):
        raise DefinitionError(f"reads: where {', '.join(map(str, reads))} is to be found is in no document")
    policies = dict.fromkeys(settings.pop("saved_only", ()), False)
    try:
        return make(execution_policies=policies, **settings)
    except (TypeError, InputError) as error:
        raise DefinitionError(str(error)) from error


def _chosen(config: Mapping[str, Any]) -> CodeExecutor:
    both = [key for key in _LEGACY if key in config]
    if both:
        raise DefinitionError(
            f"code_execution_config has 'executor', so {', '.join(map(repr, both))} belongs to the executor: give it there"
        )
    executor = config["executor"]
    if not isinstance(executor, str):
        _refuse_others(config, ("executor",))
        return executor_of(executor)
    if executor not in _NAMED:
        raise DefinitionError(f"there is no executor {executor!r}: there are {', '.join(map(repr, _NAMED))}, and any executor object")
    _refuse_others(config, ("executor", executor))
    settings: Any = config.get(executor) or {}
    if not isinstance(settings, Mapping):
        raise DefinitionError(f"code_execution_config[{executor!r}] holds the executor's settings in a mapping, not {settings!r:.100}")
    make: Any = _NAMED[executor]
    try:
        inspect.signature(make).bind(**cast("Mapping[str, Any]", settings))
    except TypeError as error:
        raise DefinitionError(f"code_execution_config[{executor!r}]: {make.__name__} takes no such settings ({error})") from error
    return make(**settings)


def _refuse_others(config: Mapping[str, Any], keys: Sequence[str]) -> None:
    others = [key for key in config if key not in (*keys, *_OF_THE_AGENT)]
    if others:
        known = ", ".join(map(repr, (*keys, *_OF_THE_AGENT))) + ("" if "executor" in keys else ", or 'executor'")
        raise DefinitionError(f"code_execution_config does not know {', '.join(map(repr, others))} here: it takes {known}")


def _from_environment() -> bool:
    said = os.environ.get("AUTOGEN_USE_DOCKER", "").strip().lower()
    if said in ("", "none", *_YES):
        return True
    if said in _NO:
        return False
    raise DefinitionError(f"AUTOGEN_USE_DOCKER is {said!r}: set it to 'yes' or 'no', or not at all")
