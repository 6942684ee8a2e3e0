"""``rankkit select`` as a program: what it prints, what it only shows, how it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from choices import images_and_rows, tree
from score_runs import ENVIRONMENT, command, run
from typer.testing import CliRunner

from rankkit.cli.app import app
from rankkit.errors import UsageError
from rankkit.report.output import MARK

SCORES = {"in/a.png": 1.0, "in/b.png": 3.0, "in/c.png": 2.0, "in/bad.png": None}


@pytest.fixture
def place(tmp_path):
    images_and_rows(tmp_path, SCORES)
    return tmp_path


def select(place, *arguments):
    done = run("select", "scores.jsonl", *arguments, cwd=place, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_paths_are_listed_line_by_line_or_for_xargs(place):
    done = select(place, "-r", "hpsv3", "--top", "2", "--list")
    assert done.stdout == "in/b.png\nin/c.png\n" and done.returncode == 0
    assert "2 of 4 images chosen by hpsv3, of 1 prompt" in done.stderr
    assert "1 image abstained on, and not chosen\n  1 × hpsv3: cannot be judged" in done.stderr
    assert select(place, "--share", "0.5", "-0").stdout == "in/b.png\0in/c.png\0"


def test_a_copy_is_made_and_taken_back(place):
    before = tree(place)
    done = select(place, "--top", "2", "--copy", "best")
    assert done.returncode == 0 and "copied to best; rankkit select --undo best takes it back" in done.stderr
    assert done.stdout == "" and {"b.png", "c.png", "metadata.jsonl"} <= set(os.listdir(place / "best"))
    done = run("select", "--undo", "best", cwd=place, text=True)
    assert done.returncode == 0 and tree(place) == before


def test_a_dry_run_shows_what_would_be_done_and_does_nothing(place):
    before = tree(place)
    for action in ("--copy", "--link", "--move"):
        done = select(place, "--top", "2", action, "best", "--dry-run")
        assert done.stdout.splitlines()[0].split() == ["3", "1", "of", "3", "in/b.png"]
        assert f"would {action[2:]} 2 images (0.0 MB) to best; --yes does it" in done.stderr
    assert "would write 2 sidecars" in select(place, "--top", "2", "--xmp", "--dry-run").stderr
    assert tree(place) == before


def test_a_terminal_is_shown_it_first(place):
    pty = pytest.importorskip("pty")
    before = tree(place)
    mine, theirs = pty.openpty()
    line = command("select", "scores.jsonl", "--top", "1", "--copy", "best")
    done = subprocess.run(line, cwd=place, env=ENVIRONMENT, stdout=theirs, stderr=subprocess.PIPE, text=True)
    assert "--yes does it" in done.stderr and tree(place) == before
    done = subprocess.run([*line, "--yes"], cwd=place, env=ENVIRONMENT, stdout=theirs, stderr=subprocess.PIPE)
    assert done.returncode == 0 and (place / "best/b.png").exists()
    os.close(theirs)
    os.close(mine)


def test_what_undo_keeps_is_said_and_told_by_the_exit_code(place):
    select(place, "--top", "2", "--copy", "best")
    (place / "best/b.png").write_bytes(b"retouched")
    done = run("select", "--undo", "best", cwd=place, text=True)
    assert done.returncode == 3 and "b.png differs from what it was made from" in done.stderr


def test_ratings_and_a_page_are_written(place):
    done = select(place, "--share", "1", "--xmp", "--html", "sheet.html")
    assert "3 sidecars written" in done.stderr and (place / "in/b.png.xmp").exists()
    page = (place / "sheet.html").read_bytes()
    assert MARK in page and page.count(b"data:image/jpeg") == 3


def test_an_empty_choice_does_nothing_and_is_said(place):
    done = select(place, "--above", "99", "--copy", "best")
    assert done.returncode == 0 and "nothing is chosen" in done.stderr and not (place / "best").exists()


def test_scores_that_a_card_limits_to_a_prompt_are_said_to_be_so(tmp_path):
    images_and_rows(tmp_path, {"a.png": 1.0, "b.png": 2.0}, ranker="prompt-color", prompt=lambda name: name)
    assert "compare within a prompt" in select(tmp_path, "--top", "1", "--per", "all").stderr
    assert "compare within a prompt" not in select(tmp_path, "--top", "1").stderr


@pytest.mark.parametrize("arguments, words", [
    ([], "exactly one of --top"), (["--top", "1", "--share", "0.5"], "not --top and --share"),
    (["--top", "1", "--copy", "x", "--move", "y"], "--copy and --move"),
    (["--top", "1", "-r", "x"], "no rows of it"), (["--top", "1", "--copy", "in"], "is not empty"),
    (["--top", "1", "--stars", "3"], "give --xmp too"), (["--undo", "best"], "leave scores.jsonl out"),
    (["--top", "1", "--html", "scores.jsonl"], "left as it is"),
])  # fmt: skip
def test_a_wrong_request_is_refused_and_touches_nothing(place, monkeypatch, arguments, words):
    before = tree(place)
    monkeypatch.chdir(place)
    done = CliRunner().invoke(app, ["select", "scores.jsonl", *arguments])
    assert isinstance(done.exception, UsageError) and words in str(done.exception) and not done.stdout
    assert tree(place) == before


def test_without_scores_nothing_is_done(tmp_path):
    done = run("select", "--top", "1", cwd=tmp_path, text=True)
    assert done.returncode == 2 and "no scores are named" in done.stderr
    done = run("select", "--undo", "nowhere", cwd=tmp_path, text=True)
    assert done.returncode == 2 and "is no selection" in done.stderr
    done = run("select", "none.jsonl", "--top", "1", cwd=tmp_path, text=True)
    assert done.returncode == 1 and "no such file" in done.stderr


def test_names_of_any_kind_reach_xargs(tmp_path):
    name = "in/a b\n'ü\u200d\xa0.png"
    images_and_rows(tmp_path, {name: 1.0})
    done = select(tmp_path, "--top", "1", "-0")
    assert done.stdout == f"{name}\0"
    assert select(tmp_path, "--top", "1").stdout == f"{name}\n"
    assert Path(tmp_path, name).exists() and sys.getfilesystemencoding() == "utf-8"
