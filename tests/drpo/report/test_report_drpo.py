"""A run's page: what it says, that it loads nothing and breaks on nothing, and how it gets into a gallery."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from toy_generator import SETTINGS, Scorer, ToyGenerator, monitor, ranked_trainer

from drpo.features.latent import Latent
from drpo.report import report
from drpo.report.evaluate import BaseComparison
from drpo.run.run import run
from rankkit.plugin import Curve, line_chart
from rankkit.report.extras import read_section


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = dataclasses.replace(SETTINGS, steps=4, eval_every=2, prompts="<b>&.txt")
    run(
        ranked_trainer(config, ToyGenerator(), Latent(), Scorer(), ["a <i>cat</i>"]),
        tmp_path / "run",
        monitor=monitor(),
    )
    return tmp_path / "run"


def test_the_page_shows_gains_curve_images_and_settings_and_loads_nothing(folder: Path) -> None:
    page = report.write(folder).read_text("utf-8")
    assert "toy (what was trained on)" in page and "<polyline" in page and "data:image/png;base64," in page
    assert "&lt;b&gt;&amp;.txt" in page and "<b>" not in page
    assert "http:" not in page and "https:" not in page and "<script" not in page and " style=" not in page


def test_a_control_from_earlier_rows_is_drawn_beside_and_said_to_be_no_part_of_this_run(
    folder: Path, tmp_path: Path
) -> None:
    rows = [
        {"arm": "reward", "seed": 1, "curve": [0.1, 0.9]},
        {"arm": "random", "seed": 2, "date": "2026-11-25", "curve": [0.1, 0.1]},
    ]
    (tmp_path / "training.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = report.write(folder, tmp_path / "out" / "page.html", beside=tmp_path / "training.jsonl").read_text(
        "utf-8"
    )
    assert "random ranker, seed 2, not run now: from training.jsonl of 2026-11-25" in page


def test_an_evaluation_is_shown_where_one_was_made(folder: Path) -> None:
    report.keep(folder, [BaseComparison("toy", 0.9, 0.8, 0.95, 0.001, 40, 0, 0.25, 0.75)], "held-out.txt")
    page = report.write(folder).read_text("utf-8")
    assert "held-out.txt" in page and "toy: mean 0.25 -&gt; 0.75, wins 90.0% of 40 pairs" in page


def test_a_run_without_evaluations_or_rows_has_a_page_all_the_same(folder: Path) -> None:
    for name in (
        "log.jsonl",
        "evaluations.jsonl",
        "sample_grids/000000.png",
        "sample_grids/000002.png",
        "sample_grids/000004.png",
    ):
        (folder / name).unlink()
    assert "Settings" in report.write(folder).read_text("utf-8")


def test_the_page_goes_into_a_gallery_as_a_section(folder: Path) -> None:
    part = read_section(report.write(folder))
    assert part.title == "drpo: run" and part.html.count("<polyline") == 1 and "<h1>" not in part.html


def test_a_flat_curve_of_one_point_can_be_drawn() -> None:
    assert "NaN" not in line_chart([Curve("one", [(1, 0.5)])], x="step", y="reward")
