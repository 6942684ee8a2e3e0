"""Bad input to `rankkit select`: each is said in words, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from choices import chosen, images_and_rows, names, tree, write_rows
from score_runs import run

from rankkit.choose.label.answers import AnswerFile
from rankkit.choose.select.undo import undo
from rankkit.errors import RankkitError, UsageError

SCORES = {"in/a.png": 1.0, "in/b.png": 3.0, "in/c.png": 2.0}
READ_ONLY = Path("/sys")  # also for root
ODD = [
    "in/new\nline.png",
    "in/-rf.png",
    "in/a\tb \u202e.png",
    "in/.hidden.png",
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    images_and_rows(tmp_path, SCORES)
    return tmp_path


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm is no file system of its own here")
    folder = Path(tempfile.mkdtemp(dir=memory))
    yield folder
    shutil.rmtree(folder)


def select(place: Path, *words: str) -> tuple[int, str]:
    done = run("select", *words, cwd=place, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr


def test_scores_of_an_empty_folder_are_refused_and_nothing_is_made(place: Path):
    (place / "empty").mkdir()
    done = run("score", "empty", "-r", "sharpness", "-o", "none.jsonl", cwd=place, text=True)
    assert done.returncode == 1 and "no image was found; name a folder" in done.stderr
    (place / "none.jsonl").write_text("")
    before = tree(place)
    code, said = select(place, "none.jsonl", "--top", "1", "--copy", "best")
    assert code in (1, 2) and "none.jsonl" in said and tree(place) == before


def test_a_file_of_answers_in_place_of_scores_is_refused_with_the_next_step(place: Path):
    line = '{"question": "q", "prompt": "", "image_a": "a", "image_b": "b", "choice": "a"}'
    (place / "labels.jsonl").write_text(line + "\n")
    code, said = select(place, "labels.jsonl", "--top", "1")
    assert code in (1, 2) and "labels.jsonl" in said


def test_where_each_prompt_has_one_image_it_is_the_best_of_it(place: Path):
    write_rows(place / "one.jsonl", dict.fromkeys(SCORES, 1.0), prompt=lambda name: name)
    assert names(chosen("one.jsonl", top=1)) == list(SCORES)


@pytest.mark.parametrize("action", ["copy", "link", "move"])
def test_rows_of_images_that_are_not_here_are_refused_by_name_and_nothing_is_done(place: Path, action: str):
    write_rows(place / "other.jsonl", {"other/x.png": 1.0, "other/y.png": 2.0})
    before = tree(place)
    code, said = select(place, "other.jsonl", "--top", "2", f"--{action}", "best")
    assert code == 1 and "other/y.png" in said and "run this where the images were scored" in said
    assert tree(place) == before


def test_images_deleted_meanwhile_stop_a_move_halfway_and_what_was_moved_comes_back(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    from rankkit.choose.select import carry_out
    from rankkit.choose.select.image_files import ImageFiles
    from rankkit.choose.select.plan import plan

    before = tree(place / "in")
    planned = plan(chosen("scores.jsonl", top=3), "move", Path("best"), ImageFiles())
    (place / "in/c.png").unlink()
    with pytest.raises(RankkitError, match=r"in/c\.png: No such file.*1 of 3 images are done.*--undo best"):
        carry_out.carry_out(planned)
    undo(Path("best"))
    assert tree(place / "in") == {name: data for name, data in before.items() if name != "c.png"}
    assert not Path("best").exists()


@pytest.mark.parametrize("action", ["copy", "link", "move"])
def test_a_selection_on_another_file_system_is_whole_and_comes_back(
    place: Path, elsewhere: Path, action: str
):
    before = tree(place)
    code, said = select(place, "scores.jsonl", "--top", "2", f"--{action}", str(elsewhere / "best"))
    assert code == 0, said
    for name in ("b.png", "c.png"):
        assert (elsewhere / "best" / name).read_bytes() == before[f"in/{name}"]
        assert (place / "in" / name).exists() is (action != "move")
    assert select(place, "--undo", str(elsewhere / "best"))[0] == 0
    assert tree(place) == before and not (elsewhere / "best").exists()


@pytest.mark.skipif(not READ_ONLY.is_dir(), reason="no /sys, into which not even root may write, is here")
@pytest.mark.parametrize("action", ["copy", "link", "move"])
def test_a_target_that_cannot_be_written_is_refused_and_no_image_is_touched(place: Path, action: str):
    before = tree(place)
    code, said = select(place, "scores.jsonl", "--top", "2", f"--{action}", str(READ_ONLY / "best"))
    assert code == 1 and "/sys" in said and tree(place) == before
    with pytest.raises(UsageError, match=r"/sys/labels\.jsonl cannot be written"):
        AnswerFile(READ_ONLY / "labels.jsonl")


@pytest.mark.parametrize("action", ["copy", "link", "move", "xmp"])
def test_names_of_any_kind_are_kept_and_taken_back(tmp_path: Path, action: str):
    images_and_rows(tmp_path, {name: float(at) for at, name in enumerate(ODD)})
    before = tree(tmp_path)
    words = ["--xmp"] if action == "xmp" else [f"--{action}", "best"]
    code, said = select(tmp_path, "scores.jsonl", "--share", "1", *words)
    assert code == 0 and len(said.splitlines()) == (3 if action == "xmp" else 2), said
    made = {name for name in tree(tmp_path) if name not in before and not name.endswith("best")}
    if action == "xmp":
        assert made == {f"{name}.xmp" for name in ODD}
        assert select(tmp_path, "--xmp", "--undo", "in")[0] == 0
    else:
        assert {f"best/{name.removeprefix('in/')}" for name in ODD} <= made
        assert select(tmp_path, "--undo", "best")[0] == 0
    assert tree(tmp_path) == before


def test_an_image_whose_name_is_no_text_is_moved_rated_and_taken_back(tmp_path: Path):
    name = os.fsdecode(b"in/odd\xff.png")
    images_and_rows(tmp_path, {name: 1.0})
    before = tree(tmp_path)
    for words, made, taken_back in (
        (["--move", "best"], r"best/odd\xff.png", ["--undo", "best"]),
        (["--xmp"], f"{name}.xmp", ["--xmp", "--undo", "in"]),
    ):
        code, said = select(tmp_path, "scores.jsonl", "--top", "1", *words)
        assert code == 0 and made in tree(tmp_path), said
        assert select(tmp_path, *taken_back)[0] == 0 and tree(tmp_path) == before
