"""What is done with the chosen: copies, links and moves, and back; nothing begins that cannot end."""

import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from choices import chosen, images_and_rows, names, tree, write_rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from score_runs import save_image
from score_runs import score as score_images

from rankkit.choose.select import carry_out as carrying
from rankkit.choose.select.image_files import ImageFiles
from rankkit.choose.select.plan import MARKER, METADATA, plan
from rankkit.choose.select.undo import undo, undoing
from rankkit.errors import RankkitError, UsageError
from rankkit.io.prompts import survey

SCORES = {
    "in/cats/a.png": 1.0,
    "in/cats/b.png": 3.0,
    "in/dogs/c.png": 2.0,
    "in/ü é.png": 0.5,
    "in/bad.png": None,
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images_and_rows(tmp_path, SCORES)
    return tmp_path


def do(action, target, files="scores.jsonl", **rule):
    found = plan(chosen(files, **(rule or {"top": 3})), action, Path(target), ImageFiles())
    carrying.carry_out(found)
    return found


def files_of(target):
    return sorted(name for name, data in tree(Path(target)).items() if data is not None and name != MARKER)


ACTIONS = ["copy", "link", "move"]
CHOSEN = ("cats/a.png", "cats/b.png", "dogs/c.png")  # the best three


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_keeps_paths_and_says_prompts_and_scores(place, action):
    before = tree(place / "in")
    do(action, "best")
    assert files_of("best") == ["cats/a.png", "cats/b.png", "dogs/c.png", METADATA]
    assert (place / "best/cats/b.png").read_bytes() == before["cats/b.png"]
    lines = [json.loads(line) for line in (place / "best" / METADATA).read_text("utf-8").splitlines()]
    assert lines[0] == {
        "file_name": "cats/b.png", "prompt": "a cat", "score": 3.0, "rank": 1.0, "of": 4,
        "scores": {"hpsv3": 3.0}, "source": "in/cats/b.png",
    }  # fmt: skip
    assert (tree(place / "in") == before) is (action != "move")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ACTIONS), st.integers(1, 4), st.sampled_from(["best", "out/of/best", "there"]))
def test_an_action_and_its_undo_leave_everything_as_it_was(place, action, top, target):
    (place / "there").mkdir(exist_ok=True)
    before = tree(place)
    do(action, target, top=top)
    assert tree(place) != before
    assert not undo(Path(target)).kept
    assert tree(place) == before


def test_a_selection_is_read_back_with_its_prompts(place):
    do("copy", "best")
    (found,) = survey(["best"])
    assert {item.name: item.prompt for item in found.items()} == {
        f"best/{name}": "a cat" for name in ("cats/a.png", "cats/b.png", "dogs/c.png")
    }
    score_images("best", "sharpness", place / "again.jsonl")
    assert len(chosen("again.jsonl", share=1.0).chosen) == 3


def test_links_share_the_bytes_of_their_images(place):
    do("link", "best")
    assert os.path.samefile("best/cats/b.png", "in/cats/b.png")


def test_a_symbolic_link_stands_in_where_hard_links_cannot_be_made(place, monkeypatch):
    before = tree(place)
    monkeypatch.setattr(
        carrying.os, "link", lambda *args: (_ for _ in ()).throw(OSError("no hard links here"))
    )
    do("link", "best")
    assert Path("best/cats/b.png").is_symlink() and os.path.samefile("best/cats/b.png", "in/cats/b.png")
    undo(Path("best"))
    assert tree(place) == before


def test_an_earlier_selection_of_ours_is_replaced_whole(place):
    before = tree(place)
    do("copy", "best")
    do("link", "best", top=1)
    assert files_of("best") == ["cats/b.png", METADATA] and not Path("best/dogs").exists()
    undo(Path("best"))
    assert tree(place) == before


# --- undo ---


def test_undo_keeps_what_was_changed_since_and_says_so(place):
    do("copy", "best")
    Path("best/cats/b.png").write_bytes(b"retouched")
    Path("best/notes.txt").write_text("mine")
    found = undo(Path("best"))
    assert [file for file, _ in found.kept] == ["cats/b.png"]
    assert files_of("best") == ["cats/b.png", "notes.txt"]
    shutil.copy2("in/cats/b.png", "best/cats/b.png")
    assert not undo(Path("best")).kept and files_of("best") == ["notes.txt"]


@pytest.mark.parametrize("action", ["copy", "link"])
def test_copies_in_a_selection_below_are_not_scored_beside_their_originals(place, action):
    do(action, "in/best")
    found, _ = survey(["in", "in/best"])
    assert {item.name for item in found.items()} == set(SCORES)
    assert "in/best holds a selection: 3 images of it, whose originals are here too, left out" in found.notes
    skipped = {each.image: each.why for each in found.findings() if "best" in each.image}
    assert skipped["in/best/cats/a.png"] == "chosen from in/cats/a.png (earlier selections): it is not scored"


def test_a_selection_that_is_named_itself_is_scored(place):
    do("copy", "in/best")
    (found,) = survey(["in/best"])
    assert {item.name for item in found.items()} == {f"in/best/{name}" for name in CHOSEN}


def test_what_was_moved_or_has_no_original_left_is_scored(place):
    do("copy", "in/best")
    (place / "in/cats/a.png").unlink()
    do("move", "in/moved", top=1)
    (found,) = survey(["in"])
    named = {item.name for item in found.items()}
    assert {"in/best/cats/a.png", "in/moved/cats/b.png"} < named
    assert "in/best/dogs/c.png" not in named


@pytest.mark.parametrize("action", ["copy", "link"])
def test_undo_never_removes_the_last_copy_of_an_image(place, action):
    do(action, "best")
    Path("in/cats/b.png").unlink()
    assert [file for file, _ in undo(Path("best")).kept] == ["cats/b.png"]
    Path("in/cats/b.png").symlink_to(place / "best/cats/b.png")
    assert [file for file, _ in undo(Path("best")).kept] == ["cats/b.png"]
    assert Path("best/cats/b.png").stat().st_size


def test_undo_puts_a_moved_image_back_as_it_is_now_but_never_over_another(place):
    do("move", "best")
    Path("best/cats/b.png").write_bytes(b"retouched")
    save_image(Path("in/dogs/c.png"), 77)
    found = undo(Path("best"))
    assert Path("in/cats/b.png").read_bytes() == b"retouched"
    assert [file for file, _ in found.kept] == ["dogs/c.png"] and Path("best/dogs/c.png").exists()


def test_what_was_interrupted_can_be_taken_back(place, monkeypatch):
    before = tree(place)
    put = carrying._put

    def stopping(planned, entry):
        if entry.file.startswith("dogs"):
            raise OSError(28, "No space left on device", str(planned.target / entry.file))
        put(planned, entry)

    for action in ACTIONS:
        monkeypatch.setattr(carrying, "_put", stopping)
        with pytest.raises(
            RankkitError, match=r"No space left on device; 1 of 3 images are done.*--undo best"
        ):
            do(action, "best")
        Path("best/dogs").mkdir()
        Path("best/dogs/.c.png.part").write_bytes(b"half")
        assert not undo(Path("best")).kept
        assert tree(place) == before


@pytest.mark.parametrize("text", [
    "", "{}\n", "[1]\n", "not JSON", '{"rankkit_selection": 1, "action": "erase"}\n',
    '{"rankkit_selection": 1, "action": "copy"}\n{"file": "../x", "from": "/y"}\n',
])  # fmt: skip
def test_undo_touches_nothing_by_a_marker_that_is_not_ours(place, text):
    Path("best").mkdir()
    Path("best", MARKER).write_text(text)
    before = tree(place)
    with pytest.raises(RankkitError, match="nothing is touched"):
        undo(Path("best"))
    assert tree(place) == before
    with pytest.raises(UsageError, match="is no selection"):
        undoing(Path("in"))


# --- refused before the first file is touched ---


def refused(place, words, action="copy", target="best", error=RankkitError, **rule):
    before = tree(place)
    with pytest.raises(error, match=words):
        do(action, target, **rule)
    assert tree(place) == before


def test_a_folder_that_is_not_ours_is_not_filled(place):
    Path("best").mkdir()
    Path("best/holiday.jpg").write_bytes(b"mine")
    refused(place, "is not empty, and no selection of ours")
    Path("file").write_text("")
    refused(place, "is no folder", target="file")


def test_a_selection_that_was_changed_since_is_not_replaced(place):
    do("copy", "best")
    Path("best/cats/b.png").write_bytes(b"retouched")
    refused(place, "was changed since: cats/b.png")


def test_moved_images_are_put_back_first(place):
    do("copy", "best")
    refused(place, "--undo best takes it back first", action="move")
    undo(Path("best"))
    do("move", "best", top=1)
    Path("scores.jsonl").unlink()
    write_rows(place / "scores.jsonl", {"in/cats/a.png": 1.0})
    refused(place, "--undo best takes it back first")


def test_images_that_are_gone_are_named(place):
    Path("in/cats/b.png").unlink()
    refused(place, r"in/cats/b.png of the chosen cannot be read")


def test_images_that_were_changed_after_they_were_scored_are_named(place):
    score_images("in", "sharpness", place / "scored.jsonl")
    save_image(place / "in/cats/b.png", 55)
    refused(
        place, r"in/cats/b.png of the chosen changed after it was scored", files="scored.jsonl", share=1.0
    )


def test_names_that_differ_only_by_case_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images_and_rows(tmp_path, {"in/A.png": 1.0, "in/a.png": 2.0})
    refused(tmp_path, "would be one file where case does not count", top=2)
    do("copy", "best", top=1)


def test_a_disk_without_room_is_refused(place, monkeypatch):
    usage = type(shutil.disk_usage("."))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 1000))
    refused(place, "needs 0.0 MB, and 0.0 MB are free")
    do("link", "best")


def test_images_that_lie_in_the_target_are_refused(place):
    do("copy", "best")
    score_images("best", "sharpness", place / "again.jsonl")
    refused(place, "lies in best itself", files="again.jsonl")


def test_a_link_is_not_moved(place):
    Path("in/cats/b.png").rename("elsewhere.png")
    Path("in/cats/b.png").symlink_to("../../elsewhere.png")
    refused(place, "is a link, which would break", action="move")
    do("copy", "best")
    assert not Path("best/cats/b.png").is_symlink()


# --- archives ---


def archive(path, members):
    with tarfile.open(path, "w") as file:
        for seed, name in enumerate(members):
            data = save_image(path.parent / "member.png", seed).read_bytes()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    (path.parent / "member.png").unlink()


def test_images_inside_archives_are_written_out_by_copy_and_refused_by_link_and_move(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    archive(tmp_path / "in/x.tar", ["deep/a.png", "b.png", "b.png"])
    save_image(tmp_path / "in/c.png", 9)
    score_images("in", "sharpness", Path("scores.jsonl"))
    before = tree(tmp_path)
    do("copy", "best", share=1.0)
    assert files_of("best") == ["c.png", METADATA, "x.tar/b (2).png", "x.tar/b.png", "x.tar/deep/a.png"]
    (found,) = survey(["best"])
    assert len(list(found.items())) == 4
    undo(Path("best"))
    assert tree(tmp_path) == before
    for action in ("link", "move"):
        refused(tmp_path, "can only be copied", action=action, share=1.0)


def test_images_inside_parquet_files_get_the_suffix_of_what_they_are(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    monkeypatch.chdir(tmp_path)
    data = [save_image(tmp_path / f"one{suffix}", 1).read_bytes() for suffix in (".png", ".jpg", ".webp")]
    for path in tmp_path.glob("one.*"):
        path.unlink()
    parquet.write_table(pyarrow.table({"image": [{"bytes": each} for each in data]}), "pics.parquet")
    score_images("pics.parquet", "sharpness", Path("scores.jsonl"))
    do("copy", "best", share=1.0)
    assert files_of("best") == ["000000.png", "000001.jpg", "000002.webp", METADATA]
    assert Path("best/000001.jpg").read_bytes() == data[1]
    assert not undo(Path("best")).kept and not Path("best").exists()


def test_one_image_under_two_prompts_is_copied_once_with_a_line_for_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images_and_rows(tmp_path, {"in/a.png": 1.0, "in/b.png": 2.0}, prompt="one")
    write_rows(tmp_path / "two.jsonl", {"in/a.png": 5.0}, prompt="two")
    do("copy", "best", files=["scores.jsonl", "two.jsonl"], top=1)
    lines = [json.loads(line) for line in Path("best", METADATA).read_text().splitlines()]
    assert [(line["file_name"], line["prompt"]) for line in lines] == [("b.png", "one"), ("a.png", "two")]
    assert files_of("best") == ["a.png", "b.png", METADATA]
    assert names(chosen(["scores.jsonl", "two.jsonl"], share=1.0)) == ["in/b.png", "in/a.png", "in/a.png"]


@pytest.mark.parametrize("action", ACTIONS)
def test_images_whose_names_are_not_utf_8_are_chosen_like_others(tmp_path, monkeypatch, action):
    monkeypatch.chdir(tmp_path)
    save_image(tmp_path / "in/a.png", 1)
    save_image(tmp_path / "in/b.png", 2)
    try:
        os.rename(b"in/a.png", b"in/a\xff\xc3.png")
    except OSError:
        pytest.skip("this file system has no such names")
    before = sorted(os.listdir(b"in"))
    score_images("in", ["sharpness"], output="scores.jsonl")
    do(action, "best", top=2)
    assert files_of("best") == [r"a\xff\xc3.png", "b.png", METADATA]
    again = score_images("best", ["sharpness"], output="again.jsonl")
    assert (again.images, again.abstained) == (2, 0)
    undo(Path("best"))
    assert sorted(os.listdir(b"in")) == before
