"""`rankkit score` end to end: what it writes, where, in which shape, and how it ends."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import score_runs
from score_runs import SLOW, as_anyone, by_name, folder, keyed, rows, run, score, start, wait_for

from rankkit.errors import RankkitError
from rankkit.io.rows import FIELDS
from rankkit.registry.catalog import installed
from rankkit.scoring.journal import Journal

NEEDS_MORE = ("shapes", "veto")  # which judges its own world, and which needs rankers
BUILTIN = [
    offer.name
    for offer in installed()
    if offer.distribution == "rankkit-t2i" and offer.name not in NEEDS_MORE
]


def test_one_row_per_image_and_ranker_with_exactly_the_fields_of_the_contract(tmp_path):
    folder(tmp_path / "in", "abc", prompt="a red cube")
    done = run(
        "score", "in", "-r", "sharpness", "-r", "compressibility:quality=50", "-o", "out.jsonl", cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, b"")
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [list(row) for row in found] == [list(FIELDS)] * 6
    first = found[0]
    assert (first["image"], first["prompt"], first["ranker"], first["kind"]) == (
        "in/a.png",
        "a red cube",
        "sharpness",
        "pointwise",
    )
    assert (
        first["error"] is None and first["stderr"] is None and first["of"] == 3 and len(first["sha256"]) == 64
    )
    assert {row["rank"] for row in found if row["ranker"] == "sharpness"} == {1.0, 2.0, 3.0}
    assert {str(row["options"]) for row in found} == {"{}", "{'quality': 50}"}


def test_jsonl_csv_and_parquet_hold_the_same_rows(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    folder(
        tmp_path / "in",
        ["a", "=1+1", "line\nbreak", "q\"uo'te"],
        prompt='=HYPERLINK("x"),\r\n<b>&amp;</b>\t🦊',
    )
    (tmp_path / "in" / "zero.png").touch()
    found = {}
    for suffix in ("jsonl", "csv", "parquet"):
        score(tmp_path / "in", ["sharpness", "prompt-color"], tmp_path / f"out.{suffix}")
        found[suffix] = rows(tmp_path / f"out.{suffix}")
    assert found["jsonl"] == found["csv"] == found["parquet"]
    assert len(found["jsonl"]) == 10
    cells = (tmp_path / "out.csv").read_text().splitlines()
    assert not any(cell.startswith(("=", '"=')) for line in cells for cell in line.split(","))


def test_without_an_output_the_rows_go_to_stdout_and_all_talk_to_stderr(tmp_path):
    folder(tmp_path / "in", "ab", prompt="a fox 🦊")
    (tmp_path / "loud.py").write_text(
        "import os, rankkit\nprint('imported')\n@rankkit.pointwise\ndef loud(image):\n"
        "    print('scoring')\n    os.system('echo from a child')\n    return 1.0\n"
    )
    done = run("score", "in", "-r", "loud:loud", cwd=tmp_path)
    assert done.returncode == 0
    assert [json.loads(line)["prompt"] for line in done.stdout.splitlines()] == ["a fox 🦊"] * 2
    assert b"imported" in done.stderr and b"scoring" in done.stderr and b"from a child" in done.stderr
    latin = subprocess.run(
        score_runs.command("score", "in", "-r", "sharpness"),
        cwd=tmp_path,
        capture_output=True,
        env={**score_runs.ENVIRONMENT, "PYTHONIOENCODING": "latin-1"},
    )
    assert latin.returncode == 0 and latin.stdout.decode().count("🦊") == 2


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["in", "-r", "sharpness"], 0, "2 images"),
        (["in", "-r", "prompt-color", "--prompt", "nothing in particular"], 3, "names no colour"),
        (["in", "-r", "prompt-color", "--prompt", "nothing in particular", "--strict"], 1, "names no colour"),
        (["in", "-r", "prompt-color"], 1, "--prompt TEXT"),
        (["empty", "-r", "sharpness"], 1, "no image was found"),
        (["in", "-r", "sharpnes"], 2, "did you mean sharpness"),
        (["in", "-r", "compressibility:qality=3"], 2, "did you mean quality?"),
        (["in", "-r", "sharpness", "-o", "out.xlsx"], 2, ".parquet"),
        (["nowhere", "-r", "sharpness"], 2, "no such file"),
        (["in"], 2, "give -r NAME"),
    ],
)
def test_the_exit_code_says_how_it_ended(tmp_path, arguments, code, says):
    folder(tmp_path / "in", "ab")
    (tmp_path / "empty").mkdir()
    done = run("score", *arguments, cwd=tmp_path)
    assert done.returncode == code
    assert says in done.stderr.decode() and "Traceback" not in done.stderr.decode()


def test_naming_rankers_imports_nothing_heavy(tmp_path):
    check = (
        "import sys, rankkit.cli, rankkit.registry.catalog as r; assert r.installed(); print({'numpy', "
        "'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", check], env=score_runs.ENVIRONMENT, capture_output=True)
    assert done.stdout.strip() == b"set()", done.stderr.decode()


def test_missing_folders_of_the_output_are_made(tmp_path):
    folder(tmp_path / "in", "ab")
    score(tmp_path / "in", "sharpness", tmp_path / "results" / "today" / "out.jsonl")
    assert len(rows(tmp_path / "results" / "today" / "out.jsonl")) == 2


@pytest.mark.fault
def test_an_output_that_may_not_be_written_is_one_message(tmp_path):
    score(
        folder(tmp_path / "warm", "a"), "sharpness", tmp_path / "warm.jsonl"
    )  # what is imported late is imported by now
    with as_anyone() as place:
        folder(place / "in", "ab")
        (place / "closed").mkdir(mode=0o555)
        for output in ("closed/out.jsonl", "closed/new/out.jsonl"):
            with pytest.raises(
                RankkitError, match="cannot be written: Permission denied; give -o a place that can"
            ):
                score(place / "in", "sharpness", place / output)
        assert not list((place / "closed").iterdir())


def test_a_file_that_is_not_rows_is_refused_as_output_and_left_alone(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    folder(tmp_path / "in", "ab")
    for name in ("notes.jsonl", "notes.csv", "notes.parquet"):
        (tmp_path / name).write_text('{"shopping": ["milk"]}\n')
        with pytest.raises(RankkitError, match=name):
            score(tmp_path / "in", "sharpness", tmp_path / name)
        assert (tmp_path / name).read_text() == '{"shopping": ["milk"]}\n'
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(RankkitError, match="folder"):
        score(tmp_path / "in", "sharpness", tmp_path / "folder.jsonl")
    assert not list(tmp_path.glob("*.journal"))


def test_two_runs_at_once_on_one_output_the_second_is_refused(tmp_path):
    folder(tmp_path / "in", "ab")
    with Journal(tmp_path / "out.jsonl") as first:
        second = run("score", "in", "-r", "sharpness", "-o", "out.jsonl", cwd=tmp_path)
        assert second.returncode == 1 and b"another run is writing to it" in second.stderr
        assert first.path.exists() and not (tmp_path / "out.jsonl").exists()
    assert run("score", "in", "-r", "sharpness", "-o", "out.jsonl", cwd=tmp_path).returncode == 0


def test_ctrl_c_keeps_what_was_scored(tmp_path):
    folder(tmp_path / "in", map(str, range(300)))
    (tmp_path / "slowly.py").write_text(SLOW)
    running = start("score", "in", "-r", "slowly:slow", "-o", "out.jsonl", cwd=tmp_path)
    wait_for(lambda: score_runs.lines(tmp_path / "out.jsonl.journal") >= 64)
    running.send_signal(signal.SIGINT)
    _, talk = running.communicate()
    assert running.returncode == 130 and b"Traceback" not in talk and b"same command again" in talk
    kept = score_runs.lines(tmp_path / "out.jsonl.journal")
    again = run("score", "in", "-r", "slowly:slow", "-o", "out.jsonl", cwd=tmp_path)
    assert again.returncode == 0 and f"{kept} known already".encode() in again.stderr
    assert len(keyed(rows(tmp_path / "out.jsonl"))) == 300


def test_a_closed_pipe_is_no_error(tmp_path):
    folder(tmp_path / "in", "ab")
    running = start("score", "in", "-r", "sharpness", cwd=tmp_path)
    running.stdout.close()
    talk = running.stderr.read()
    assert running.wait() == 0 and b"Traceback" not in talk and b"BrokenPipe" not in talk


def test_two_folders_go_into_one_output_one_after_the_other_or_at_once(tmp_path):
    for name in "ab":
        folder(tmp_path / name, "xy")
        score(tmp_path / name, "sharpness", tmp_path / "turns.jsonl")
    score([tmp_path / "a", tmp_path / "b", tmp_path / "a"], "sharpness", tmp_path / "once.jsonl")
    assert (
        keyed(rows(tmp_path / "turns.jsonl")) == keyed(rows(tmp_path / "once.jsonl"))
        and len(rows(tmp_path / "once.jsonl")) == 4
    )


def test_an_output_that_is_a_link_stays_one(tmp_path):
    folder(tmp_path / "in", "ab")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out.jsonl").symlink_to("elsewhere/real.jsonl")
    assert score(tmp_path / "in", "sharpness", tmp_path / "out.jsonl").scored == 2
    assert score(tmp_path / "in", ["sharpness", "contrast"], tmp_path / "out.jsonl").scored == 2
    assert (tmp_path / "out.jsonl").is_symlink() and len(rows(tmp_path / "elsewhere" / "real.jsonl")) == 4


def test_the_same_ranker_written_twice_is_one(tmp_path):
    folder(tmp_path / "in", "ab")
    outcome = score(
        tmp_path / "in",
        ["compressibility:quality=95", "compressibility:quality=095", "sharpness"],
        tmp_path / "out.jsonl",
    )
    assert outcome.scored == 4 and len(keyed(rows(tmp_path / "out.jsonl"))) == 4


def test_limit_scores_that_many_images_and_a_run_without_it_the_rest(tmp_path):
    folder(tmp_path / "in", "abcdef")
    assert score(tmp_path / "in", "sharpness", tmp_path / "out.jsonl", limit=2).scored == 2
    assert [(row["rank"], row["of"]) for row in rows(tmp_path / "out.jsonl")] in (
        [(1, 2), (2, 2)],
        [(2, 2), (1, 2)],
    )
    assert score(tmp_path / "in", "sharpness", tmp_path / "out.jsonl").scored == 4
    assert {row["of"] for row in rows(tmp_path / "out.jsonl")} == {6}


def test_real_photographs_are_scored_by_every_ranker_of_ours(tmp_path):
    skimage = pytest.importorskip(
        "skimage", reason="scikit-image, which carries photographs, is not installed"
    )
    photographs = Path(skimage.__file__).parent / "data"
    names = [path for path in sorted(photographs.glob("*.*")) if path.suffix in (".png", ".jpg", ".gif")]
    if not names:
        pytest.skip("this scikit-image carries no photographs")
    outcome = score(names, BUILTIN, tmp_path / "out.jsonl", prompt="a brown cat, an orange rocket")
    assert outcome.abstained == 0 and outcome.images == len(names)
    found = rows(tmp_path / "out.jsonl")
    assert len(found) == len(names) * len(BUILTIN) and all(
        0 <= row["score"] <= 1 for row in found if row["ranker"] == "prompt-color"
    )
    saturation = by_name([row for row in found if row["ranker"] == "saturation"])
    assert (
        saturation["camera.png"]["score"] == 0 < saturation["chelsea.png"]["score"]
    )  # a grey photograph, and a ginger cat
