"""What lies beside the code is in every wheel and source archive, with the licence; no distribution lacks its
particulars.
"""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import rankkit
from rankkit.registry.cards import tomllib

ROOT = Path(rankkit.__file__).parents[1]
CODE = {".py", ".pyc"}
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
EACH = pytest.mark.parametrize("folder", [ROOT, *PLUGINS], ids=["core", *(path.name for path in PLUGINS)])
BUILD = """
import os, sys
from setuptools import build_meta
for folder in sys.argv[1:]:
    os.chdir(folder)
    build_meta.build_wheel("built")
    build_meta.build_sdist("built")
"""


def packaged(folder):
    """The files of the packages in a distribution's folder, as the paths that a wheel gives them."""
    found = (path for path in folder.glob("rankkit_*") if path.suffix != ".egg-info")
    packages = [folder / "rankkit", folder / "drpo"] if folder == ROOT else sorted(found)
    files = [path for package in packages for path in package.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix() for path in files if path.suffix != ".pyc"}


def built(folder, place):
    """The names in the wheel and in the source archive of a distribution, built from a copy."""
    without = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist", ".*", "tests", "plugins")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(folder / name, place)
    for package in {name.split("/")[0] for name in packaged(folder)}:
        shutil.copytree(folder / package, place / package, ignore=without)
    run = subprocess.run([sys.executable, "-c", BUILD, place], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (wheel,), (source,) = (place / "built").glob("*.whl"), (place / "built").glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive, tarfile.open(source) as sources:
        return set(archive.namelist()), {name.partition("/")[2] for name in sources.getnames()}


@EACH
def test_wheel_and_source_archive_hold_every_file_of_the_packages_and_the_licence(folder, tmp_path):
    wheel, source = built(folder, tmp_path)
    expected = packaged(folder)
    assert expected - wheel == set() and expected - source == set()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)
    assert {"LICENSE", "README.md", "pyproject.toml"} <= source
    packages = {name.split("/")[0] for name in expected}
    assert {f"{package}/py.typed" for package in packages} <= wheel
    points = next(name for name in wheel if name.endswith("METADATA")).replace("METADATA", "entry_points.txt")
    assert points not in wheel or any(name.endswith("card.toml") for name in wheel)


@EACH
def test_every_distribution_states_its_licence_its_authors_and_its_python(folder):
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    core = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for key in ("license", "license-files", "authors", "requires-python", "readme"):
        assert project[key] == core[key], key
    assert project["description"]
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_citation_names_the_version_and_licence_of_the_distribution():
    core = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = (ROOT / "CITATION.cff").read_text("utf-8").splitlines()
    assert {f"version: {core['version']}", f"license: {core['license']}"} <= set(lines)


def test_every_file_beside_the_code_is_package_data(request):
    root = request.config.rootpath
    patterns = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"][
        "package-data"
    ]
    named = {
        path
        for package, globs in patterns.items()
        for pattern in globs
        for path in root.joinpath(*package.split(".")).glob(pattern)
    }
    beside = {
        path
        for package in ("rankkit", "drpo")
        for path in (root / package).rglob("*")
        if path.is_file() and path.suffix not in CODE
    }
    assert beside and sorted(beside - named) == []
