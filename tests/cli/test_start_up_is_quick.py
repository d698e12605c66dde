"""What a command does not need it does not load."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = ("openai", "networkx", "graphviz", "cel", "docker", "tenacity", "rich", "jsonschema", "yaml")


@pytest.mark.parametrize("words", ["['--help']", "['runs']", "['show', 'known']"])
def test_looking_loads_nothing_heavy(inside: Any, here: Path, words: str) -> None:
    inside("run", "graphs.py:essay", "--id", "known")
    code = f"import sys; from convgraph.cli import main; main({words}); print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True, timeout=60, cwd=here)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_the_module_is_the_command(here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "convgraph", "--version"], capture_output=True, check=False, text=True, timeout=60, cwd=here
    )
    assert (done.returncode, done.stdout) == (0, "convgraph 0.1.0\n")


def test_help_lists_every_command_and_exit_code(command: Any) -> None:
    from convgraph.cli.app import COMMANDS
    from convgraph.cli.exit_codes import MEANINGS

    told = command("--help").out
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    for name, _ in COMMANDS:
        assert f"\n  {name} " in told
        assert f"| `convgraph {name}" in page
    for code, meaning in MEANINGS.items():
        assert f"{int(code):>3}  {meaning}\n" in told
        assert f"| {int(code)} |" in page
