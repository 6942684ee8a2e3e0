"""What a stranger meets in the first minute: where to begin, which rankers work, and that nothing hangs."""

import subprocess
import sys
import time

import pytest
import typer
from score_runs import ENVIRONMENT, folder

import rankkit
from rankkit.cli import progress
from rankkit.registry import cards


def invoke(*arguments, program="rankkit", cwd=None, **variables):
    environment = {**ENVIRONMENT, "RANKKIT_CONFIG": "none.toml", "COLUMNS": "100", **variables}
    command = [sys.executable, "-m", program, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def test_the_program_alone_shows_three_things_to_begin_with():
    done = invoke()
    assert done.returncode == 2
    for start in ("rankkit score FOLDER -r sharpness ", "rankkit prompts FOLDER ", "rankkit list --verbose "):
        assert start in done.stdout


def test_drpo_alone_shows_how_to_train_compare_and_see_the_recipes():
    done = invoke(program="drpo")
    assert done.returncode == 2
    for start in ("drpo train shapes ranker=shapes ", "drpo evaluate first-run ", "drpo recipes "):
        assert start in done.stdout
    assert "``" not in invoke("train", "-h", program="drpo").stdout


def test_score_without_a_ranker_names_those_that_work_here_those_without_weights_first(tmp_path):
    folder(tmp_path / "pics", "ab")
    done = invoke("score", "pics", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    at_once, others = done.stderr.split("With weights")
    assert "sharpness" in at_once and "compressibility" in at_once
    assert "clip" not in at_once and "-official" not in others


def test_a_ranker_that_is_broken_or_needs_an_environment_is_not_offered(monkeypatch):
    offers = [
        cards.Installed("sharpness", "rankkit-t2i", "1"),
        cards.Installed("torn", "rankkit-t2i", "1", "it imports nowhere"),
        cards.Installed("far", "url", "http://gpu7:8085"),
    ]
    monkeypatch.setattr(cards, "installed", lambda: offers)
    assert cards.usable() == (["sharpness"], ["far"])


@pytest.mark.parametrize("arguments", [
    ["score", "nowhere", "-r", "sharpness"], ["prompts", "nowhere"], ["table", "nowhere.jsonl"],
    ["gallery", "nowhere.jsonl"], ["compare", "nowhere", "nowhere", "-r", "sharpness"],
    ["agree", "nowhere", "-r", "sharpness"], ["select", "nowhere.jsonl", "--top", "1", "--list"],
    ["score", "empty", "-r", "sharpness"], ["check", "nowhere"],
])  # fmt: skip
def test_what_is_not_there_is_one_line(tmp_path, arguments):
    (tmp_path / "empty").mkdir()
    done = invoke(*arguments, cwd=tmp_path)
    lines = done.stderr.strip().splitlines()
    assert done.returncode in (1, 2) and lines[-1].startswith("error: ") and not done.stdout
    assert len([line for line in lines if "error" in line]) == 1 and len(lines) <= 2, done.stderr


@pytest.mark.parametrize("words, offered", [
    ("rankkit sc", ["score"]), ("rankkit score -r sharp", ["sharpness"]),
    ("rankkit check prompt", ["prompt-color"]), ("rankkit score --over", ["--overwrite"]),
])  # fmt: skip
def test_a_shell_completes_commands_options_and_rankers(words, offered):
    variables = {
        "_RANKKIT_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    done = invoke(**variables)
    assert (done.stdout.split(), done.stderr) == (offered, "")


def test_both_programs_offer_to_install_completion():
    for program in ("rankkit", "drpo"):
        assert "--install-completion" in invoke("--help", program=program).stdout


class Late(rankkit.Pointwise):
    def __init__(self):
        time.sleep(0.3)

    def score(self, images):
        return [0.0] * len(images)


def test_a_ranker_that_takes_long_says_once_that_it_is_loading(tmp_path, monkeypatch, capsys):
    source = "import time\ntime.sleep(0.3)\nfrom test_first_minute_late import Late\n"
    monkeypatch.setitem(sys.modules, "test_first_minute_late", sys.modules[__name__])
    (tmp_path / "late_module.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(progress, "SLOW", 0.05)
    progress.prepared("late_module:Late").load()
    assert capsys.readouterr().err == "loading late_module:Late …\n"


def test_a_ranker_that_is_quick_says_nothing(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SLOW", 60)
    progress.prepared("sharpness").load()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("program", ["rankkit", "drpo"])
def test_help_shows_no_value_beside_an_option_that_takes_none(program):
    shown = [invoke(*words, "--help", program=program).stdout for words in ([], [COMMAND[program]])]
    assert all("-h" in text and "<bool>" not in text for text in shown), shown


COMMAND = {"rankkit": "score", "drpo": "sample"}


@pytest.mark.parametrize("command", ["score", "select", "table", "fit"])
def test_usage_says_once_at_most_that_an_argument_may_be_given_several_times(command):
    usage = next(line for line in invoke(command, "-h").stdout.splitlines() if "Usage" in line)
    assert usage.count("...") <= 1, usage


def test_every_argument_and_option_is_explained():
    from drpo.cli import app as drpo
    from rankkit.cli.app import app as rankkit

    for program in (rankkit, drpo):
        for name, command in typer.main.get_command(program).commands.items():
            assert [each.name for each in command.params if not each.help] == [], name


def test_a_run_names_an_image_for_each_reason_why_some_abstained(tmp_path):
    folder(tmp_path / "in", "abc")
    (tmp_path / "in" / "b.png").write_bytes(b"torn")
    (tmp_path / "in" / "c.png").write_bytes(b"torn")
    done = invoke("score", "in", "-r", "sharpness", "-o", "o.jsonl", cwd=tmp_path)
    assert done.returncode == 3 and "2 × sharpness: " in done.stderr
    assert "(first in/b.png)" in done.stderr


def test_pairs_that_cannot_be_compared_are_named_once_and_the_others_counted(tmp_path):
    for name in "xy":
        folder(tmp_path / name, "abcdefg")
        for image in "abcdef":
            (tmp_path / name / f"{image}.png").write_bytes(b"torn")
    done = invoke("compare", "x", "y", "-r", "sharpness", cwd=tmp_path)
    said = [line for line in done.stderr.splitlines() if line.startswith("not compared")]
    assert done.returncode == 3 and len(said) == 5 and said[0].count("x/a.png") == 1, done.stderr
    assert "and 1 other pair" in done.stderr


def test_a_win_rate_of_one_entry_is_said_to_be_none(tmp_path):
    folder(tmp_path / "in", "abc", "a red apple")
    invoke("score", "in", "-r", "sharpness", "-o", "o.jsonl", cwd=tmp_path)
    done = invoke("table", "o.jsonl", "--by", "folder", "--win-rate", cwd=tmp_path)
    assert done.returncode == 0 and "needs two entries, and --by folder gives one" in done.stderr
