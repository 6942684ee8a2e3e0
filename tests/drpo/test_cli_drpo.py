"""The command ``drpo``: what it prints, and one clear message for each kind of bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from toy_generator import ToyGenerator
from typer.testing import CliRunner

from drpo import build
from drpo.cli import app, main
from drpo.data import prompts as prompt_files
from drpo.recipes import recipe, recipes
from drpo.run import setup
from drpo.settings import placed, with_settings
from drpo.types import Prompt
from rankkit import RankkitError, UsageError


def test_recipes_are_listed_with_a_line_each() -> None:
    result = CliRunner().invoke(app, ["recipes"])
    assert result.exit_code == 0 and result.stdout.startswith("shapes  ")
    assert [line.split("  ")[0] for line in result.stdout.splitlines()] == list(recipes())


def test_a_mistake_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["drpo", "train", "shapes", "stpes=3"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: unknown field 'stpes' (did you mean 'steps'?)")


def test_a_missing_or_empty_prompt_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RankkitError, match=r"there is no prompt file 'nowhere.txt'"):
        prompt_files.prompts("nowhere.txt")
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(RankkitError, match="is empty"):
        prompt_files.prompts(str(tmp_path / "empty.txt"))


def test_prompts_may_come_through_a_pipe() -> None:
    read, write = os.pipe()
    os.write(write, b"a cat\n\na dog\n")
    os.close(write)
    assert prompt_files.prompts(f"/dev/fd/{read}") == [Prompt("a cat"), Prompt("a dog")]


def test_an_unknown_feature_map_is_answered_with_the_nearest() -> None:
    with pytest.raises(RankkitError, match=r"unknown feature 'latnt' .did you mean 'latent'"):
        build.features(with_settings(recipe("shapes"), ["features=latnt"]), ToyGenerator())


def test_a_setting_of_a_place_is_read_apart_and_a_wrong_tracker_is_named() -> None:
    places, rest = placed(["out=a=b", "steps=3", "tracker=wandb"])
    assert places == {"out": "a=b", "tracker": "wandb"} and rest == ["steps=3"]
    with pytest.raises(
        RankkitError, match=r"tracker is one of none, tensorboard, wandb \(did you mean 'wandb'\?\)"
    ):
        placed(["tracker=wandbb"])


def test_a_setting_that_is_given_two_values_is_refused_unless_it_takes_several() -> None:
    for given in (["steps=5", "seed=1", "steps=6"], ["out=a", "out=b"]):
        with pytest.raises(UsageError, match=r"is given twice, as .* and as .*; give it once"):
            placed(given)
    assert placed(["steps=5", "steps=5", "held_out=a", "held_out=b"])[0] == {}


def test_a_setting_written_as_an_option_is_answered_by_the_setting() -> None:
    result = CliRunner().invoke(app, ["train", "shapes", "--learning-rate=3"])
    assert "unknown field '--learning-rate' (did you mean 'learning_rate'?)" in str(result.exception)


def test_settings_that_would_do_nothing_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = with_settings(recipe("shapes"), ["offline=rank"])
    with pytest.raises(RankkitError, match=r"offline=rank says what preferences= do, and there are none"):
        setup.trainer(config)
    with pytest.raises(UsageError, match="no prompt file"):
        setup.trainer(
            with_settings(recipe("shapes"), ["held_out=contrast", "ranker=contrast", "prompts=nowhere"])
        )
    assert "held_out=contrast is what the run is trained on: it holds nothing out" in capsys.readouterr().err


def test_a_setting_given_several_times_adds_up_and_an_empty_one_clears() -> None:
    config = with_settings(recipe("shapes"), ["held_out=clip:model=a,device=cpu", "held_out=sharpness"])
    assert config.held_out == ("clip:model=a,device=cpu", "sharpness")
    assert with_settings(recipe("shapes"), ["held_out="]).held_out == ()


def test_nothing_to_learn_from_is_an_error() -> None:
    with pytest.raises(RankkitError, match="give ranker=NAME, or preferences=FILE"):
        setup.trainer(with_settings(recipe("shapes"), ["ranker="]))


def test_no_prompts_are_not_those_of_the_current_folder() -> None:
    with pytest.raises(RankkitError, match="prompts= is empty; give prompts=FILE"):
        setup.trainer(with_settings(recipe("shapes"), ["prompts="]))


@pytest.mark.parametrize("field", ["prompts", "validation", "preferences"])
def test_a_file_that_is_not_there_is_named_before_anything_is_loaded(field: str) -> None:
    config = with_settings(recipe("shapes"), [f"{field}=nowhere.txt", "model=/nowhere", "ranker=nobody"])
    with pytest.raises(UsageError, match=r"nowhere\.txt"):
        setup.trainer(config)


def test_preferences_on_disk_are_learned_from_by_the_command(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), "red").save(tmp_path / "good.png")
    Image.new("RGB", (32, 32), "blue").save(tmp_path / "bad.png")
    row = {"prompt": "a photo of a circle", "chosen": "good.png", "rejected": "bad.png"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(row))
    small = ["steps=2", "prompts_per_step=1", "group_size=4", "anchors=2", "held_out=", "validation="]
    for mode in ("images", "rank"):
        settings = [
            f"preferences={tmp_path / 'pairs.jsonl'}",
            "ranker=",
            f"offline={mode}",
            f"out={tmp_path / mode}",
            *small,
        ]
        result = CliRunner().invoke(app, ["train", "shapes", *settings])
        assert result.exit_code == 0, result.output
        rows = [json.loads(line) for line in (tmp_path / mode / "log.jsonl").read_text().splitlines()]
        assert [row["skipped"] for row in rows] == [0, 0]


def test_ctrl_c_in_the_terminal_says_how_to_go_on_and_exits_with_130(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-u",
        "-m",
        "drpo",
        "train",
        "shapes",
        f"out={tmp_path}",
        "validation=",
        "prompts_per_step=1",
        "held_out=",
    ]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    ) as process:
        while not (tmp_path / "log.jsonl").exists():
            assert process.poll() is None
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 130 and "give the same command again to go on" in said
    assert (tmp_path / "checkpoints").is_dir() and not (
        tmp_path / "pytorch_lora_weights.safetensors"
    ).exists()
