"""Running code that somebody else wrote, a model most often.

::

    blocks      the code blocks of a text
    executor    what an executor is, and what comes back
    local       as a process of this machine: no sandbox
    bubblewrap  as a process in a sandbox made of namespaces, without a daemon
    docker      in a container
    jupyter     in a kernel that keeps its state: no sandbox
    choice      the executor that a configuration asks for

Each executor has a work folder; the code's files are written there, and what it makes there stays there.
"""

from __future__ import annotations

from convgraph.coding.blocks import CodeBlock, MarkdownCodeExtractor, extract_code_blocks
from convgraph.coding.bubblewrap import BubblewrapCodeExecutor
from convgraph.coding.choice import default_executor, executor_from_config
from convgraph.coding.docker import DockerCommandLineCodeExecutor
from convgraph.coding.executor import CodeExecutor, CodeResult, WorkFolderExecutor
from convgraph.coding.functions import with_requirements
from convgraph.coding.jupyter import JupyterCodeExecutor
from convgraph.coding.local import LocalCommandLineCodeExecutor
from convgraph.coding.sandbox_image import build_sandbox_image

CommandLineCodeResult = CodeResult
"""AutoGen's name for it."""

__all__ = [
    "BubblewrapCodeExecutor",
    "CodeBlock",
    "CodeExecutor",
    "CodeResult",
    "CommandLineCodeResult",
    "DockerCommandLineCodeExecutor",
    "JupyterCodeExecutor",
    "LocalCommandLineCodeExecutor",
    "MarkdownCodeExtractor",
    "WorkFolderExecutor",
    "build_sandbox_image",
    "default_executor",
    "executor_from_config",
    "extract_code_blocks",
    "with_requirements",
]
