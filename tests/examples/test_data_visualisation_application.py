"""A table and a plot: the program is run in a sandbox, fails on a column that is not there, and the plot shows what the table says."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.examples.chat_examples import ChatExample

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def plots(served: Any) -> ChatExample:
    example = served("data_visualisation")
    return ChatExample(example.module, example.server)


def totals_in(path: Path) -> Counter[tuple[str, str]]:
    totals: Counter[tuple[str, str]] = Counter()
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            totals[row["station"], row["month"][:4]] += int(row["riders"])
    return totals


def heights_of_bars(plot: Path) -> dict[str, float]:
    """How high each bar is drawn, by its id."""
    heights: dict[str, float] = {}
    for group in ElementTree.parse(plot).iter(f"{SVG}g"):
        path = group.find(f"{SVG}path")
        if path is not None and re.fullmatch(r"[A-Za-z-]+-20\d\d", group.get("id", "")):
            ys = [float(y) for y in re.findall(r"[ML] [-\d.]+ ([-\d.]+)", path.get("d", ""))]
            heights[group.get("id", "")] = max(ys) - min(ys)
    return heights


def test_the_plot_has_a_bar_for_each_total_as_high_as_the_total(plots: ChatExample, tmp_path: Path) -> None:
    """And it says what it shows."""
    plots.have(work_dir=tmp_path / "work")
    totals, heights = totals_in(plots.module.DATA), heights_of_bars(tmp_path / "work/plot.svg")
    per_rider = {heights[f"{station}-{year}".replace(" ", "-")] / riders for (station, year), riders in totals.items()}
    written = {text.text for text in ElementTree.parse(tmp_path / "work/plot.svg").iter(f"{SVG}text")}

    assert len(totals) == len(heights) == 9
    assert max(per_rider) - min(per_rider) < max(per_rider) / 1000
    assert {"Riders counted by station and year", "riders (thousands)", "Harbour Bridge", "North Park", "University"} <= written
    assert {"2022", "2023", "2024"} <= written


def test_the_first_program_fails_on_a_column_that_is_not_there(plots: ChatExample) -> None:
    """The traceback is Python's, the lines of the table are the table's, and the numbers of the answer are its sums."""
    [result] = plots.have()
    failed, looked, worked = (message.text for message in result.messages if message.sender == "computer" and "exitcode" in message.text)
    totals = totals_in(plots.module.DATA)

    assert failed.startswith("exitcode: 1 (execution failed)")
    assert failed.rstrip().endswith("KeyError: 'count'")
    assert plots.module.DATA.read_text().splitlines()[:3] == looked.partition("Code output: ")[2].split()[:1] + [
        line for line in looked.splitlines() if line.startswith("2022-01")
    ]
    assert [f"{station} {year}: {riders:,}" for (station, year), riders in sorted(totals.items())] == [
        line.removeprefix("Code output: ") for line in worked.splitlines() if " 20" in line
    ]
    assert f"{max(totals.values()):,}" in result.summary


def test_the_plot_lies_beside_the_store(plots: ChatExample) -> None:
    plots.have(store="riders.db")

    assert Path("riders-files/plot.svg").stat().st_size > 5000
    assert not (plots.module.DATA.parent / "plot.svg").exists()


def test_where_the_work_folder_is_is_no_part_of_the_chat(plots: ChatExample, tmp_path: Path) -> None:
    [one], [other] = plots.have(work_dir=tmp_path / "one"), plots.have(work_dir=tmp_path / "other")

    assert one.chat_history == other.chat_history
    assert (tmp_path / "one/plot.svg").read_bytes() == (tmp_path / "other/plot.svg").read_bytes()
    assert str(tmp_path) not in repr(one.chat_history)
    assert plots.module.computer_in(tmp_path).describe() == plots.module.computer_in(None).describe()


def test_code_cannot_change_the_table(plots: ChatExample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = plots.module.DATA.read_bytes()
    lines = ["```python\nopen('/data/cycling.csv', 'w').write('month,station,riders')\n```", "It cannot be written. TERMINATE"]
    monkeypatch.setitem(plots.module.PARTS, "You answer questions about tables", lines)
    [result] = plots.have(work_dir=tmp_path / "work")

    assert "Read-only file system" in result.messages[2].text
    assert plots.module.DATA.read_bytes() == before
