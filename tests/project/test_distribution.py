"""What is published is complete, typed, and says one version everywhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import convgraph

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel as it would be published, built with the tools at hand: nothing is downloaded."""
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)], cwd=ROOT, check=True, capture_output=True
    )
    [path] = target.glob("convgraph-*.whl")
    return zipfile.ZipFile(path)


def test_the_package_says_its_own_version() -> None:
    assert convgraph.__version__ == PROJECT["version"]


def test_the_newest_release_in_the_changelog_is_this_version() -> None:
    released = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == PROJECT["version"]


def test_the_wheel_tells_type_checkers_that_it_is_typed(wheel: zipfile.ZipFile) -> None:
    assert "convgraph/py.typed" in wheel.namelist()


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """The studio's page and its gallery among them."""
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    files = (path for path in (ROOT / "convgraph").rglob("*") if path.is_file() and path.suffix != ".pyc")
    written = {str(path.relative_to(ROOT)) for path in files}
    assert "convgraph/studio/static/index.html" in written
    assert written <= shipped
    assert {name.split("/")[0] for name in shipped} == {"convgraph"}


def test_the_wheel_carries_its_licence_and_its_command(wheel: zipfile.ZipFile) -> None:
    names = {Path(name).name: name for name in wheel.namelist() if ".dist-info/" in name}
    assert "LICENSE" in names
    assert "convgraph = convgraph.cli:main" in wheel.read(names["entry_points.txt"]).decode()


def test_the_extra_all_is_every_feature_and_no_test_tool(wheel: zipfile.ZipFile) -> None:
    metadata = message_from_string(wheel.read(next(name for name in wheel.namelist() if name.endswith("METADATA"))).decode())
    extras = PROJECT["optional-dependencies"]
    features = extras.keys() - {"all", "dev", "docs"}
    assert set(metadata.get_all("Provides-Extra", [])) == set(extras)
    assert set(re.fullmatch(r"convgraph\[(.+)\]", extras["all"][0])[1].split(",")) == features  # type: ignore[index]
