"""A newcomer types `make` and is told what there is; what is missing on the machine is named."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_make_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    promised = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    shown = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split()[1] for line in shown.splitlines()] == promised
    assert {"demo", "test", "test-long", "check", "bench"} <= set(promised)


def test_a_missing_system_package_is_named_where_it_cannot_be_installed(tmp_path: Path) -> None:
    """Without apt-get nothing is tried; the reader learns what to install."""
    (tmp_path / "id").symlink_to("/usr/bin/id")
    done = _script("system-packages", "dot:graphviz", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "graphviz" in done.stderr


def test_nothing_is_done_about_packages_that_are_there() -> None:
    done = _script("system-packages", "sh:dash")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_python_that_is_too_old_is_refused_with_the_version_that_is_needed(tmp_path: Path) -> None:
    old = tmp_path / "python-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = _script("python", PYTHON=str(old))
    assert done.returncode == 1
    assert "Python 3.11" in done.stderr


def _script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(ROOT / "scripts" / name), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
