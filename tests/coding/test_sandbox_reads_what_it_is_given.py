"""Code in bubblewrap can import what is installed and read the files that it is given, where that is asked for; no more than that."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from convgraph.coding import BubblewrapCodeExecutor, CodeBlock, CodeResult
from convgraph.errors import DefinitionError, ExecutorUnavailable, InputError


def ran(code: str, **options: Any) -> CodeResult:
    async def run() -> CodeResult:
        async with BubblewrapCodeExecutor(timeout=30, **options) as executor:
            return await executor.execute([CodeBlock("python", code)])

    return asyncio.run(run())


def test_libraries_are_there_where_they_are_asked_for() -> None:
    assert ran("import graphviz; print(len(graphviz.FORMATS) > 9)", libraries=True).output == "True\n"
    assert "ModuleNotFoundError" in ran("import graphviz").output


def test_libraries_cannot_be_changed() -> None:
    assert "Error: [Errno " in ran("import graphviz; open(graphviz.__file__, 'a')", libraries=True).output


def test_files_and_folders_are_read_under_their_own_names(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/one.txt").write_text("one")
    (tmp_path / "other.csv").write_text("not for you")
    code = "import os; print(sorted(os.listdir('/data')), open('/data/table.csv').read(), open('/data/texts/one.txt').read())"
    given = [tmp_path / "table.csv", str(tmp_path / "texts")]

    assert ran(code, readable=given).output == "['table.csv', 'texts'] a,b\n one\n"
    assert "Read-only file system" in ran("open('/data/table.csv', 'w')", readable=given).output
    assert (tmp_path / "table.csv").read_text() == "a,b\n"


def test_what_is_not_there_or_has_no_name_of_its_own_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExecutorUnavailable, match=r"what is not there: .*/none\.csv"):
        ran("", readable=[tmp_path / "none.csv"])
    with pytest.raises(InputError, match="several files of one name"):
        BubblewrapCodeExecutor(readable=["a/table.csv", "b/table.csv"])


def test_the_definition_says_what_is_read_and_not_where_it_is() -> None:
    from convgraph.coding.choice import executor_described

    described = BubblewrapCodeExecutor(libraries=True, readable=["here/table.csv"]).describe()

    assert described == BubblewrapCodeExecutor(libraries=True, readable=["there/table.csv"]).describe()
    assert (described["libraries"], described["reads"]) == (True, ["table.csv"])
    with pytest.raises(DefinitionError, match=r"reads: where table\.csv is to be found is in no document"):
        executor_described(described)
