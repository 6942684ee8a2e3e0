import ast
import keyword
import subprocess
import sys

import pytest
from PIL import Image

import rankkit
from rankkit import Group
from rankkit.errors import RankkitError, UsageError
from rankkit.registry.scaffold import write

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_a_plugin_is_four_files_in_a_folder_of_its_own(tmp_path):
    place = write("my-reward", tmp_path / "new" / "my-reward")
    assert place == tmp_path / "new" / "my-reward"
    files = sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
    assert files == ["README.md", "pyproject.toml", "rankkit_my_reward.py", "tests/test_my_reward.py"]


@pytest.mark.parametrize("name", ["a", "my-reward", "clip2", "x-1-y"])
def test_what_is_written_is_valid_and_names_the_ranker(tmp_path, name):
    place = write(name, tmp_path / name)
    project = tomllib.loads((place / "pyproject.toml").read_text())
    function = name.replace("-", "_")
    assert project["project"]["name"] == f"rankkit-{name}"
    assert project["project"]["dependencies"] == ["rankkit-t2i"]
    assert project["project"]["entry-points"]["rankkit.rankers"] == {name: f"rankkit_{function}:{function}"}
    assert project["tool"]["setuptools"]["py-modules"] == [f"rankkit_{function}"]
    for path in place.rglob("*.py"):
        tree = ast.parse(path.read_text())
        assert any(isinstance(node, ast.FunctionDef) for node in tree.body)
    assert "{" not in (place / "README.md").read_text()


def test_the_ranker_that_is_written_works_and_has_an_option(tmp_path, monkeypatch):
    place = write("near-grey", tmp_path / "near-grey")
    monkeypatch.syspath_prepend(place)
    group = Group("", tuple(Image.new("RGB", (4, 4), (value,) * 3) for value in (128, 100, 200)))
    assert rankkit.load("rankkit_near_grey:near_grey").rank([group])[0].scores == (0, -28, -72)
    assert rankkit.load("rankkit_near_grey:near_grey:target=200").rank([group])[0].scores == (-72, -100, 0)


def test_the_code_that_is_written_passes_a_linter(tmp_path):
    pytest.importorskip("ruff")
    place = write("my-reward", tmp_path / "my-reward")
    run = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", place], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(
    "name", ["", "My-Reward", "my_reward", "-x", "x-", "a--b", "1st", "a b", "../x", "é", "a.b", "a\n"]
)
def test_a_name_that_cannot_be_a_rankers_is_refused_with_an_example(tmp_path, name):
    with pytest.raises(
        UsageError,
        match=r"cannot name a ranker; use small letters, digits and single dashes, such as my-reward",
    ):
        write(name, tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", [word for word in keyword.kwlist if word.islower()])
def test_a_word_of_the_language_is_refused_because_no_function_can_have_it(tmp_path, name):
    with pytest.raises(UsageError, match=f"'{name}' cannot name a ranker"):
        write(name, tmp_path / "x")


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "x").mkdir()
    write("mine", tmp_path / "x")
    before = {path: path.read_bytes() for path in (tmp_path / "x").rglob("*") if path.is_file()}
    with pytest.raises(RankkitError, match="is there already and is not empty; give another --folder"):
        write("other", tmp_path / "x")
    assert before == {path: path.read_bytes() for path in (tmp_path / "x").rglob("*") if path.is_file()}
    with pytest.raises(RankkitError, match="is there already"):
        write("mine", tmp_path / "x" / "README.md")


def test_a_name_that_a_ranker_has_already_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match=r"named sharpness is there already \(rankkit-t2i\)"):
        write("sharpness", tmp_path / "x")
    assert not (tmp_path / "x").exists()
