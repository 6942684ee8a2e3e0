"""A stranger's plugin: a package of its own, installed by pip, used through the commands like any other."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]


def install(package, target):
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        target,
        package,
    ]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """The third-party package, built from a copy so that pip leaves nothing in the tree."""
    source = shutil.copytree(HERE / "third_party", tmp_path_factory.mktemp("source") / "third_party")
    target = tmp_path_factory.mktemp("site")
    install(source, target)
    return target


def rankkit(plugin, *command, cwd=None, code=0):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(plugin), os.environ.get("PYTHONPATH", "")])),
    }
    run = [sys.executable, "-m", "rankkit", *map(str, command)]
    result = subprocess.run(run, env=environment, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert result.returncode == code, result.stdout + result.stderr
    return result


def test_a_plugin_is_at_most_fifteen_lines_and_two_of_toml():
    lines = [line for line in (HERE / "third_party/rankkit_jpeg.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 15
    toml = (HERE / "third_party/pyproject.toml").read_text()
    assert '[project.entry-points."rankkit.rankers"]\njpeg = "rankkit_jpeg:compressibility"\n' in toml


def test_list_shows_it_with_its_distribution_and_version(plugin):
    offers = json.loads(rankkit(plugin, "list", "--json").stdout)
    assert {"name": "jpeg", "distribution": "rankkit-jpeg", "version": "0.3.0"} in offers


def test_score_uses_it_and_its_options_are_in_the_rows(plugin, tmp_path):
    rankkit(
        plugin,
        "score",
        HERE.parent / "examples",
        "-r",
        "jpeg:quality=50",
        "-r",
        "compressibility:quality=50",
        "-o",
        tmp_path / "s.jsonl",
    )
    rows = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    mine = {row["image"]: row for row in rows if row["ranker"] == "jpeg"}
    ours = {row["image"]: row for row in rows if row["ranker"] == "compressibility"}
    assert len(mine) == 36
    for image, row in mine.items():
        assert (row["version"], row["options"], row["kind"]) == ("0.3.0", {"quality": 50}, "pointwise")
        assert (row["score"], row["rank"]) == (ours[image]["score"], ours[image]["rank"])


def test_check_finds_that_it_passes_every_check(plugin):
    assert "jpeg passes all" in rankkit(plugin, "check", "jpeg").stdout


def test_an_unknown_option_of_it_is_refused_when_it_is_loaded(plugin, tmp_path):
    result = rankkit(plugin, "score", HERE.parent / "examples", "-r", "jpeg:qualty=50", code=2)
    assert "jpeg has no option 'qualty'; did you mean quality?" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_new_plugin_passes_its_own_test_as_written(tmp_path):
    rankkit(tmp_path, "new", "my-reward", cwd=tmp_path)
    target = tmp_path / "site"
    shutil.copytree(tmp_path / "my-reward", tmp_path / "copy")
    install(tmp_path / "copy", target)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(target), os.environ.get("PYTHONPATH", "")])),
    }
    run = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        tmp_path / "my-reward",
        tmp_path / "my-reward",
    ]
    result = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0 and "1 passed" in result.stdout, result.stdout + result.stderr
    rankkit(target, "score", HERE.parent / "examples", "-r", "my-reward:target=200", "-o", tmp_path / "s.csv")


def test_new_refuses_a_folder_with_something_in_it_and_a_name_that_cannot_be_one(tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    assert (
        "is there already and is not empty"
        in rankkit(tmp_path, "new", "my-reward", "--folder", tmp_path / "taken", code=1).stderr
    )
    assert "cannot name a ranker" in rankkit(tmp_path, "new", "My Reward", cwd=tmp_path, code=2).stderr
