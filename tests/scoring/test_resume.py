"""Going on where an earlier run stopped: what is scored again, what stands, and that nothing is lost or
doubled.
"""

import fcntl
import os
import resource
import signal

import pytest
import score_runs
from score_runs import (
    LISTWISE,
    SLOW,
    by_name,
    folder,
    keyed,
    lines,
    rows,
    run,
    save_image,
    score,
    start,
    wait_for,
)

from rankkit.errors import RankkitError
from rankkit.io.formats import all_rows, to_json
from rankkit.scoring.journal import Journal


@pytest.fixture
def place(here, write_modules):
    """A current folder with four images in `in` and modules of rankers."""
    folder(here / "in", "abcd")
    write_modules(slowly=SLOW, darker=LISTWISE)
    return here


# --- what is scored again ---


def test_an_unchanged_second_run_scores_nothing_builds_nothing_and_changes_nothing(place):
    (place / "heavy.py").write_text(
        "import pathlib\nclass Heavy:\n    def __init__(self):\n        pathlib.Path('built').touch()\n"
        "    kind = 'pointwise'\n    def rank(self, groups):\n        from rankkit import Ranking\n"
        "        return [Ranking((1.0,) * len(group.images), 'pointwise') for group in groups]\n"
    )
    specs = ["sharpness", "darker:Darker", "heavy:Heavy"]
    assert score("in", specs, "out.jsonl").scored == 12
    (place / "built").unlink()
    before = (place / "out.jsonl").read_bytes()
    again = score("in", specs, "out.jsonl")
    assert (again.scored, again.reused) == (0, 12) and not (place / "built").exists()
    assert (place / "out.jsonl").read_bytes() == before and not list(place.glob("*.journal"))


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_every_format_can_be_gone_on_with(place, suffix):
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    score("in", ["sharpness", "darker:Darker"], f"out.{suffix}")
    before = rows(f"out.{suffix}")
    assert score("in", ["sharpness", "darker:Darker"], f"out.{suffix}").scored == 0
    assert rows(f"out.{suffix}") == before


def test_a_changed_file_is_scored_again_and_everyone_is_ranked_anew(place):
    score("in", "sharpness", "out.jsonl")
    score_runs.Image.new("RGB", (24, 16)).save("in/b.png")  # as dull as can be
    assert score("in", "sharpness", "out.jsonl").scored == 1
    found = by_name(rows("out.jsonl"))
    assert (found["b.png"]["score"], found["b.png"]["rank"], len(found)) == (0, 4, 4)


def test_a_changed_prompt_is_scored_again(place):
    folder(place / "set" / "door", "ab")
    for color in ("red", "green"):
        (place / "set" / "door" / "prompt.txt").write_text(f"a {color} door")
        assert score("set", "prompt-color", "out.jsonl").scored == 2
        assert {row["prompt"] for row in keyed(rows("out.jsonl")).values()} == {f"a {color} door"}


def test_a_prompt_that_makes_another_group_keeps_the_rows_of_the_first(place):
    score("in", "prompt-color", "out.jsonl", prompt="a red door")
    assert score("in", "prompt-color", "out.jsonl", prompt="a green door").scored == 4
    assert score("in", "prompt-color", "out.jsonl", prompt="a red door").scored == 0
    assert len(keyed(list(all_rows("out.jsonl")))) == 8


def test_a_changed_option_adds_rows_beside_the_old_ones(place):
    score("in", "compressibility", "out.jsonl")
    assert score("in", "compressibility:quality=10", "out.jsonl").scored == 4
    assert len(keyed(rows("out.jsonl"))) == 8


def test_a_changed_version_takes_the_place_of_the_old(place):
    (place / "mine.py").write_text("def mine(image):\n    return 1.0\n")
    assert run("score", "in", "-r", "mine:mine", "-o", "out.jsonl", cwd=place).returncode == 0
    (place / "mine.py").write_text("def mine(image):\n    return 2.0\n")
    assert b"4 scored" in run("score", "in", "-r", "mine:mine", "-o", "out.jsonl", cwd=place).stderr
    assert [row["score"] for row in keyed(rows("out.jsonl")).values()] == [2.0] * 4


def test_another_ranker_adds_its_rows_and_keeps_the_others(place):
    score("in", "sharpness", "out.jsonl")
    before = rows("out.jsonl")
    score("in", "contrast", "out.jsonl")
    assert [row for row in rows("out.jsonl") if row["ranker"] == "sharpness"] == before and len(
        rows("out.jsonl")
    ) == 8


def test_a_group_that_grew_is_ranked_anew_but_only_the_new_image_is_scored(place):
    score("in", "contrast", "out.jsonl")
    score_runs.Image.linear_gradient("L").save("in/e.png")
    assert score("in", "contrast", "out.jsonl").scored == 1
    found = rows("out.jsonl")
    assert sorted(row["rank"] for row in found) == [1, 2, 3, 4, 5] and {row["of"] for row in found} == {5}


def test_a_verdict_on_a_whole_group_is_made_anew_when_an_image_comes_changes_or_goes(place):
    def check(scored, names):
        assert score("in", "darker:Darker", "out.jsonl").scored == scored
        found = by_name(rows("out.jsonl"))
        assert sorted(found) == [f"{name}.png" for name in names] and {
            row["of"] for row in found.values()
        } == {len(names)}

    check(4, "abcd")
    check(0, "abcd")
    save_image(place / "in" / "e.png", 99)
    check(5, "abcde")
    save_image(place / "in" / "a.png", 100)
    check(5, "abcde")
    (place / "in" / "c.png").unlink()
    check(4, "abde")


def test_an_abstention_is_tried_again(place):
    good = (place / "in" / "a.png").read_bytes()
    (place / "in" / "a.png").write_bytes(good[:60])
    assert score("in", "sharpness", "out.jsonl").abstained == 1
    assert score("in", "sharpness", "out.jsonl").scored == 1
    (place / "in" / "a.png").write_bytes(good)
    outcome = score("in", "sharpness", "out.jsonl")
    assert (outcome.scored, outcome.reused, outcome.abstained) == (1, 3, 0)


def test_an_abstention_of_an_image_that_is_gone_is_kept_but_no_longer_counted(place):
    (place / "in" / "e.png").touch()
    assert score("in", "sharpness", "out.jsonl").abstained == 1
    (place / "in" / "e.png").unlink()
    outcome = score("in", "sharpness", "out.jsonl")
    assert (outcome.images, outcome.reused, outcome.abstained) == (4, 4, 0) and not outcome.reasons
    assert len(list(all_rows("out.jsonl"))) == 5


def test_overwrite_forgets_what_the_output_held(place):
    score("in", ["sharpness", "contrast"], "out.jsonl")
    assert score("in", "sharpness", "out.jsonl", overwrite=True).scored == 4
    assert len(rows("out.jsonl")) == 4


# --- interrupted ---


def test_a_torn_last_line_of_the_output_is_repaired(place):
    for suffix in ("jsonl", "csv"):
        score("in", "sharpness", f"out.{suffix}")
        whole = (place / f"out.{suffix}").read_bytes()
        (place / f"out.{suffix}").write_bytes(whole[:-40])
        assert score("in", "sharpness", f"out.{suffix}").scored == 1
        assert (place / f"out.{suffix}").read_bytes() == whole
        (place / f"out.{suffix}").write_bytes(
            whole[: whole.index(b"a.png")]
        )  # torn in the only row that there is
        assert score("in", "sharpness", f"out.{suffix}").scored == 4


def test_a_torn_journal_is_repaired(place):
    score("in", "sharpness", "out.jsonl")
    whole = (place / "out.jsonl").read_bytes()
    journal = "".join(
        to_json({**row, "rank": None, "of": 0}) + "\n" for row in rows("out.jsonl")[:3]
    ).encode()
    (place / "out.jsonl").unlink()
    for torn in (journal[:-1], journal[:-30], journal[:10], b""):
        (place / "out.jsonl.journal").write_bytes(torn)
        assert score("in", "sharpness", "out.jsonl").reused == torn.count(b"\n")
        assert (place / "out.jsonl").read_bytes() == whole
        (place / "out.jsonl").unlink()


def test_a_damaged_journal_is_an_error_and_is_kept(place):
    (place / "out.jsonl.journal").write_text('{"group": "scribble\n')
    with pytest.raises(RankkitError, match=r"out\.jsonl\.journal: damaged"):
        score("in", "sharpness", "out.jsonl")
    assert (place / "out.jsonl.journal").read_text() == '{"group": "scribble\n'


def test_a_journal_whose_run_ended_is_gone_and_who_opened_it_just_before_gets_a_new_one(place, monkeypatch):
    first, flock = Journal(place / "out.jsonl"), fcntl.flock

    def late(file, flags):
        """Between the opening and the locking, the run that held the journal ends."""
        monkeypatch.undo()
        first.__exit__(None, None, None)
        flock(file, flags)

    first.__enter__()
    monkeypatch.setattr(fcntl, "flock", late)
    with Journal(place / "out.jsonl") as second:
        assert os.stat(second.path).st_ino == os.fstat(second._file.fileno()).st_ino


@pytest.mark.fault
@pytest.mark.parametrize("rankers", [["slowly:slow"], ["slowly:slow", "darker:Darker"]])
def test_runs_killed_at_several_moments_and_gone_on_with_equal_an_uninterrupted_one(place, rankers):
    folder(place / "many", map(str, range(400)))
    command = ["score", "many", *(part for spec in rankers for part in ("-r", spec)), "-o"]
    for moment in (0, 1, 65, 129):
        running = start(*command, "killed.jsonl", cwd=place)
        journal = place / "killed.jsonl.journal"
        wait_for(lambda moment=moment, journal=journal: journal.exists() and lines(journal) >= moment)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        assert running.returncode == -signal.SIGKILL and lines(journal) >= moment
    assert run(*command, "killed.jsonl", cwd=place).returncode == 0
    score("many", rankers, "whole.jsonl")
    assert (place / "killed.jsonl").read_bytes() == (place / "whole.jsonl").read_bytes()
    assert sorted(path.name for path in place.glob("*.jsonl*")) == ["killed.jsonl", "whole.jsonl"]


def test_what_a_killed_run_left_is_ranked_by_whichever_run_comes_next(place):
    score("in", "sharpness", "whole.jsonl")
    left = rows("whole.jsonl")
    (place / "out.jsonl.journal").write_text(
        "".join(to_json({**row, "rank": None, "of": 0}) + "\n" for row in left)
    )
    folder(place / "other", "xy")
    score("other", "contrast", "out.jsonl")
    assert [row for row in rows("out.jsonl") if row["ranker"] == "sharpness"] == left


@pytest.mark.fault
@pytest.mark.fault
@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
@pytest.mark.parametrize("share", [0.2, 0.7, 1.05])
def test_a_full_disk_is_one_message_and_the_run_can_go_on(place, suffix, share):
    """A limit on the size of files stands in for the disk; of 1.05 journals, it is the output that does not
    fit.
    """
    folder(place / "many", map(str, range(120)))
    score("many", "contrast", "whole.jsonl")
    score("many", ["sharpness", "saturation"], f"out.{suffix}")
    earlier = (place / f"out.{suffix}").read_bytes()
    limit = int((place / "whole.jsonl").stat().st_size * share)
    command = ("score", "many", "-r", "contrast", "-o", f"out.{suffix}")
    done = run(
        *command, cwd=place, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    talk = done.stderr.decode()
    assert (
        done.returncode == 1
        and "Traceback" not in talk
        and talk.count("error:") == 1
        and "File too large" in talk
    )
    assert "the same command again" in talk
    assert (place / f"out.{suffix}").read_bytes() == earlier and not list(place.glob(".*.part"))
    kept = lines(place / f"out.{suffix}.journal")
    assert kept == {0.2: 0, 0.7: 64, 1.05: 120}[share]  # whole chunks
    assert f"{120 - kept} scored" in run(*command, cwd=place).stderr.decode()
    found = keyed(rows(place / f"out.{suffix}"))
    assert len(found) == 360 and [row for row in found.values() if row["ranker"] == "contrast"] == rows(
        "whole.jsonl"
    )


def test_a_full_disk_for_temporary_files_is_one_message_too(place):
    prompt = "long " * 5000
    (place / "list.csv").write_text("image,prompt\n" + "".join(f"in/a.png,{prompt}{i}\n" for i in range(200)))
    limit = 100_000
    done = run(
        *("score", "list.csv", "-r", "contrast", "-o", "out.jsonl"),
        cwd=place,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    talk = done.stderr.decode()
    assert done.returncode == 1 and "Traceback" not in talk and talk.count("error:") == 1
