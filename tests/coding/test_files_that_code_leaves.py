"""What code has left in the work folder can be read: regular files of that folder, within a bound, through no link."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from convgraph.coding import CodeBlock, LocalCommandLineCodeExecutor
from convgraph.errors import InputError


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[LocalCommandLineCodeExecutor]:
    """One whose code has left a file in a folder; a secret lies beside its work folder."""
    (tmp_path / "secret.txt").write_text("secret")
    with LocalCommandLineCodeExecutor(work_dir=tmp_path / "work", timeout=30) as running:
        result = running.execute_code_blocks([CodeBlock("sh", "mkdir plots; printf points > plots/one.txt")])
        assert result.files == ("plots/one.txt",)
        yield running


def test_a_file_is_read_by_the_name_that_the_result_has(executor: LocalCommandLineCodeExecutor) -> None:
    assert executor.read_file("plots/one.txt") == b"points"


@pytest.mark.parametrize("name", ["none.txt", "plots", "../secret.txt", "/etc/passwd", "link.txt", "folder/secret.txt", "pipe", "a\0b"])
def test_nothing_else_is(name: str, executor: LocalCommandLineCodeExecutor, tmp_path: Path) -> None:
    (tmp_path / "work/link.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "work/folder").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "work/pipe")

    with pytest.raises(InputError) as refused:
        executor.read_file(name)
    assert "secret" not in str(refused.value).replace(repr(name), "")


def test_a_file_has_a_bound(executor: LocalCommandLineCodeExecutor) -> None:
    assert executor.read_file("plots/one.txt", most=6) == b"points"
    with pytest.raises(InputError, match="larger than 5 bytes"):
        executor.read_file("plots/one.txt", most=5)
