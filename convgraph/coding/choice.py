"""The executor for those who do not choose one."""

from __future__ import annotations

import os

from convgraph.coding.docker import DockerCommandLineCodeExecutor
from convgraph.coding.executor import CodeExecutor
from convgraph.coding.local import LocalCommandLineCodeExecutor


def default_executor(*, work_dir: str | os.PathLike[str] | None = None, use_docker: bool | str = True, timeout: float = 60) -> CodeExecutor:
    """A container, unless `use_docker=False` asks for a plain process of this machine.

    Making it asks nothing of the machine. When no Docker engine answers, `execute` raises `ExecutorUnavailable`, which
    says what to start or what to choose instead: code never runs without a sandbox because one is missing.

    Args:
        work_dir: where code runs and leaves its files. None: a temporary folder.
        use_docker: AutoGen's word. A text is the name of the image.
        timeout: seconds for all blocks of a call together.

    """
    if use_docker is False:
        return LocalCommandLineCodeExecutor(work_dir=work_dir, timeout=timeout)
    return DockerCommandLineCodeExecutor(work_dir=work_dir, timeout=timeout, image=use_docker if isinstance(use_docker, str) else None)
