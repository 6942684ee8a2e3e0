"""stdout is results, for every command of both programs, whatever a plugin prints; and no exit is silent."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from score_runs import ENVIRONMENT, folder

import drpo.cli
from rankkit.cli.app import app

NOISE = "NOISE that is no result"
LOUD = f"""
import atexit, ctypes, os, subprocess, sys
def shout():
    ctypes.CDLL(None).puts(b"{NOISE}")
    print("{NOISE}", flush=True)
    os.write(1, b"{NOISE}\\n")
    subprocess.run([sys.executable, "-c", "print('{NOISE}')"])
shout()
atexit.register(shout)
class Loud:
    kind = "pointwise"
    def __init__(self):
        shout()
    def rank(self, groups):
        from rankkit import Ranking
        shout()
        light = lambda image: float(sum(image.tobytes()))
        return [Ranking(tuple(map(light, group.images)), "pointwise") for group in groups]
"""
SETTINGS = [
    "steps=1",
    "prompts_per_step=1",
    "group_size=4",
    "anchors=2",
    "held_out=",
    "validation=",
    "eval_every=1",
    "features=latent",
]
# Per command of rankkit its arguments, and whether stdout is JSON, or lines of it.
COMMANDS = {
    "score": (["pics", "-r", "loud:Loud"], "lines"),
    "prompts": (["pics", "--json"], "lines"),
    "select": (["rows.jsonl", "--top", "1", "--list"], "text"),
    "table": (["rows.jsonl", "--format", "json"], "json"),
    "compare": (["pics", "more", "-r", "loud:Loud", "--json"], "json"),
    "agree": (["pairs.jsonl", "-r", "loud:Loud", "--json"], "json"),
    "label": (["nowhere"], "error"),
    "fit": (["nowhere.jsonl", "-o", "taste"], "error"),
    "gallery": (["rows.jsonl", "-o", "page.html"], "nothing"),
    "list": (["--json"], "json"),
    "check": (["loud:Loud"], "text"),
    "new": (["my-reward", "--folder", "made"], "text"),
    "doctor": (["--json"], "json"),
    "serve": (["nowhere:Nobody"], "error"),
    "install": (["no-such-ranker"], "error"),
}
DRPO = {
    "train": (["shapes", "ranker=loud:Loud", "out=run", *SETTINGS], "text"),
    "sample": (["run", "--prompts", "prompts.txt", "--each", "1"], "text"),
    "evaluate": (["run", "--prompts", "prompts.txt", "-r", "loud:Loud", "--each", "1"], "text"),
    "report": (["run"], "text"),
    "push": (["run", "anna/shapes", "--dry-run", "pushed"], "text"),
    "recipes": ([], "text"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two folders of images, rows, pairs and a loud ranker; and a run that the loud ranker trained."""
    path = tmp_path_factory.mktemp("commands")
    (path / "loud.py").write_text(LOUD)
    (path / "prompts.txt").write_text("a photo of a circle\n")
    folder(path / "pics", "ab", "a cat")
    folder(path / "more", "ab", "a cat")
    rows = invoke("rankkit", "score", "pics", "-r", "sharpness", "-o", "rows.jsonl", cwd=path)
    assert rows.returncode == 0, rows.stderr
    pair = {"prompt": "a cat", "image_a": "pics/a.png", "image_b": "pics/b.png", "choice": "a"}
    (path / "pairs.jsonl").write_text(json.dumps(pair) + "\n")
    return path


def invoke(program, *arguments, cwd):
    environment = {**ENVIRONMENT, "OMP_NUM_THREADS": "1", "RANKKIT_CONFIG": str(cwd / "none.toml")}
    environment["RANKKIT_HOME"] = str(cwd / "home")
    environment["PYTHONPATH"] = os.pathsep.join([str(cwd), environment["PYTHONPATH"]])
    command = [sys.executable, "-m", program, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def commands_of(program):
    return set(typer.main.get_command(program).commands)


def test_every_command_is_tried_here():
    assert commands_of(app) == set(COMMANDS) and commands_of(drpo.cli.app) == set(DRPO)


def only_results(done, kind):
    assert NOISE not in done.stdout, done.stdout
    if kind == "json":
        json.loads(done.stdout)
    elif kind == "lines":
        assert all(json.loads(line) for line in done.stdout.splitlines())
    elif kind in ("nothing", "error"):
        assert done.stdout == ""
    else:
        assert done.stdout
    if kind == "error":
        assert done.returncode in (1, 2) and "error: " in done.stderr and "Traceback" not in done.stderr
    else:
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_stdout_of_rankkit_is_results(place, command):
    arguments, kind = COMMANDS[command]
    done = invoke("rankkit", command, *arguments, cwd=place)
    only_results(done, kind)
    assert any("loud" in argument for argument in arguments) <= (NOISE in done.stderr)


def test_stdout_of_drpo_is_results(place):
    for command, (arguments, kind) in DRPO.items():
        done = invoke("drpo", command, *arguments, cwd=place)
        only_results(done, kind)
        assert command not in ("train", "evaluate") or NOISE in done.stderr


@pytest.mark.parametrize("program, arguments", [
    ("rankkit", ["score"]), ("rankkit", ["nonsense"]), ("rankkit", ["score", "pics"]),
    ("rankkit", ["score", "pics", "-r", "nobody"]),
    ("drpo", ["train"]), ("drpo", ["nonsense"]), ("drpo", ["train", "shapes", "steps=many"]),
    ("drpo", ["train", "no-such-recipe"]), ("drpo", ["train", "shapes", "no_such_field=1"]),
])  # fmt: skip
def test_a_wrong_request_exits_with_2_and_a_reason(place, program, arguments):
    done = invoke(program, *arguments, cwd=place)
    assert done.returncode == 2 and done.stderr.strip() and not done.stdout


def test_drpo_lists_its_recipes_and_helps_without_torch(place):
    code = "import sys; sys.modules['torch'] = None; from drpo.cli import main; main()"
    for arguments in (["recipes"], ["train", "--help"], ["--help"], ["-h"]):
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout, done.stderr


def test_help_of_train_names_every_field():
    from dataclasses import fields

    from drpo.config import Config

    done = invoke("drpo", "train", "--help", cwd=Path.cwd())
    assert not [field.name for field in fields(Config) if field.name not in done.stdout]
