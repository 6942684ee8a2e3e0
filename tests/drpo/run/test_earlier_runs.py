"""Run folders and settings of earlier versions: read on under their present names, which one line says."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from toy_generator import SETTINGS, Scorer, ToyGenerator, monitor, ranked_trainer

from drpo.features.latent import Latent
from drpo.report import report
from drpo.run import checkpoint
from drpo.run.files import EVALUATIONS, read_rows
from drpo.run.run import run
from drpo.run.sample import read_config
from drpo.settings import with_settings
from drpo.train import Trainer
from rankkit import RankkitError

CONFIG = replace(SETTINGS, steps=4, eval_every=2)


def trainer(steps: int = 4) -> Trainer:
    return ranked_trainer(replace(CONFIG, steps=steps), ToyGenerator(), Latent(), Scorer(), ["a", "b"])


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A finished run as the version before wrote it."""
    out = tmp_path / "run"
    run(trainer(), out, monitor=monitor())
    config = asdict(CONFIG) | {"offline": "pictures"}
    config["look_every"] = config.pop("eval_every")
    (out / "config.json").write_text(json.dumps(config))
    rows = [
        {name.replace("eval/", "look/"): value for name, value in row.items()}
        for row in read_rows(out / EVALUATIONS)
    ]
    (out / EVALUATIONS).unlink()
    (out / "looks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (out / "sample_grids").rename(out / "strips")
    saved = checkpoint.latest(out)
    assert saved is not None
    state = torch.load(saved / "state.pt", weights_only=True)
    state["looks"] = state.pop("evaluations")
    torch.save(state, saved / "state.pt")
    return out


def test_an_earlier_run_goes_on_as_a_present_one_would(
    earlier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(trainer(8), earlier, monitor=monitor())
    said = capsys.readouterr().err
    assert "evaluations.jsonl" in said and "sample_grids" in said and "eval_every=2" in said
    run(trainer(8), tmp_path / "present", monitor=monitor())
    assert [row["step"] for row in read_rows(earlier / EVALUATIONS)] == [0, 2, 4, 6, 8]
    one, other = (torch.load(out / "toy.pt") for out in (earlier, tmp_path / "present"))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_field_that_an_earlier_version_did_not_know_has_its_default(earlier: Path) -> None:
    config = json.loads((earlier / "config.json").read_text())
    (earlier / "config.json").write_text(
        json.dumps({name: config[name] for name in config if name != "unet"})
    )
    checkpoint.check(earlier, asdict(CONFIG))
    with pytest.raises(RankkitError, match=r"unet was '' and is 'other'"):
        checkpoint.check(earlier, asdict(replace(CONFIG, unet="other")))


def test_a_run_that_goes_on_says_a_field_of_an_earlier_version_once(
    earlier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.check(
        earlier, asdict(replace(CONFIG, steps=8))
    )  # as the command does before it loads anything
    run(trainer(8), earlier, monitor=monitor())
    report.write(earlier)
    assert capsys.readouterr().err.count("look_every") == 1


def test_an_earlier_run_has_a_page(earlier: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = report.write(earlier).read_text("utf-8")
    assert "what was trained on" in page and "data:image/png" in page
    assert (earlier / "looks.jsonl").is_file(), "a report changes no file of a run"
    assert read_config(earlier, say=True).eval_every == 2
    assert capsys.readouterr().err.splitlines() == [
        "offline=pictures is offline=images now",
        "look_every=2 is eval_every=2 now",
    ]


def test_a_comparison_that_was_kept_as_sentences_is_shown(earlier: Path) -> None:
    (earlier / "evaluation.json").write_text(
        json.dumps({"prompts": "p.txt", "verdicts": ["toy: wins 60% of 40 pairs"]})
    )
    assert "toy: wins 60% of 40 pairs" in report.write(earlier).read_text("utf-8")


@pytest.mark.parametrize(
    "setting, field, value",
    [("look_every=7", "eval_every", 7), ("offline=pictures", "offline", "images")],
)
def test_an_earlier_setting_is_read_and_its_present_name_said(
    setting: str, field: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert getattr(with_settings(CONFIG, [setting]), field) == value
    assert f"{field}={value}" in capsys.readouterr().err
