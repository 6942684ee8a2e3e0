"""A run's page: what it says, that it loads nothing and breaks on nothing, and how it gets into a gallery."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from gallery_page import Page
from toy_generator import SETTINGS, Judge, Scorer, ToyGenerator, monitor, ranked_trainer

from drpo.features.latent import Latent
from drpo.report import kept, report
from drpo.report.evaluate import Evaluated, pairs
from drpo.run.run import run
from drpo.types import Prompt
from rankkit import Group, Ranking
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
    assert "what was trained on" in page and "<polyline" in page and "data:image/png;base64," in page
    assert "&lt;b&gt;&amp;.txt" in page and "<b>&" not in page
    assert (
        "http:" not in page and "https:" not in page and page.count("<script") == 1 and " style=" not in page
    )


class Falling:
    """The opposite of the toy's score."""

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        rankings = Scorer().rank(groups)
        return [Ranking(tuple(-score for score in each.scores), "pointwise") for each in rankings]


def test_the_page_says_that_nothing_was_better_than_the_base_and_what_the_last_evaluation_warns_of(
    tmp_path: Path,
) -> None:
    config = dataclasses.replace(SETTINGS, steps=8, eval_every=2, on_alarm="warn")
    trainer = ranked_trainer(config, ToyGenerator(), Latent(), Scorer(), ["a"])
    ending = run(trainer, tmp_path, monitor=monitor(held=Falling()))
    page = report.write(tmp_path).read_text("utf-8")
    assert "No later evaluation was better than the base, by the held-out held" in page
    assert ending.alarm and f"At the last evaluation: {ending.alarm}." in page


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


def evaluated(prompts: list[Prompt], shift: float) -> Evaluated:
    """A toy that was moved towards red, or away from it, compared with its base."""
    toy = ToyGenerator()
    toy.shift.data += shift * torch.tensor([1.0, -1.0, -1.0])
    groups = [group for number, prompt in enumerate(prompts) for group in pairs(toy, prompt, 3, number)]
    return Evaluated(prompts, groups, {"toy": Scorer().rank(groups), "<judge>": Judge().rank(groups)})


def test_an_evaluation_without_any_change_says_so(folder: Path) -> None:
    kept.keep(folder, evaluated([Prompt(f"p{i}", {}) for i in range(4)], 0), "x.txt")
    page = report.write(folder).read_text("utf-8")
    assert re.search(r"The mean score went from (−?[\d.]+) to \1: it changed nowhere\.", page)


def test_an_evaluation_says_what_was_gained_with_intervals_in_words(folder: Path) -> None:
    kept.keep(
        folder, evaluated([Prompt(f"p{i}", {"tag": "two" if i < 4 else "one"}) for i in range(8)], 1), "x.txt"
    )
    page = report.write(folder).read_text("utf-8")
    assert "2 rankers prefer the run." in page and "on the prompts x.txt" in page
    assert "The share lies between 67.6 % and 100.0 %: the run is preferred." in page
    assert re.search(
        r"The mean score went from −?[\d.]+ to [\d.]+, by \+\d+ \(between [^)]*\): it rose", page
    )
    assert "100 % won (51 % to 100 %): better" in page and "&lt;judge&gt;" in page and "By task" in page


def test_where_it_got_worse_is_shown_by_prompt_and_in_images_of_both(folder: Path) -> None:
    kept.keep(folder, evaluated([Prompt(f"prompt <{i}>") for i in range(6)], -1), "x.txt")
    page = report.write(folder).read_text("utf-8")
    assert "2 rankers prefer the base." in page and "Most pairs were lost on 6 of 6 prompts." in page
    assert "prompt &lt;0&gt; (toy)" in page and "By task" not in page
    assert len(list((folder / "evaluation").iterdir())) == 2 * 2 * kept.WORST
    kept.keep(folder, evaluated([Prompt("a"), Prompt("b")], 1), "x.txt")
    assert "Lost pairs" not in report.write(folder).read_text("utf-8")
    assert not (folder / "evaluation").exists()


def test_a_comparison_that_an_earlier_version_kept_is_shown_without_pairs(folder: Path) -> None:
    kept.keep(folder, evaluated([Prompt("a"), Prompt("b")], 1), "x.txt")
    found = json.loads((folder / "evaluation.json").read_text())
    for row in found["rankers"]:
        for name in ("each_pair", "gain_low", "gain_high"):
            row.pop(name)
    (folder / "evaluation.json").write_text(json.dumps({"prompts": "x.txt", "rankers": found["rankers"]}))
    page = report.write(folder).read_text("utf-8")
    assert "of 6 pairs won" in page and "got worse" not in page


def test_the_images_of_every_evaluation_are_on_the_page_at_their_full_size(folder: Path) -> None:
    page = Page(report.write(folder))
    names = [name.text for name in page.all("p", "name")]
    assert names == ["before", "step 0", "step 2", "step 4"] * 8
    assert sorted(each.name for each in (folder / "images").iterdir()) == [
        "000000", "000002", "000004", "base", "prompts.json"
    ]  # fmt: skip
    first, *_, last = page.all("img")[:4]
    assert first.attrs["src"] != last.attrs["src"] and first.attrs["class"] == "pixels"


def test_an_evaluation_whose_images_were_cut_off_is_left_out_of_the_slider(folder: Path) -> None:
    (folder / "images" / "000002" / "1-3.png").unlink()
    names = [name.text for name in Page(report.write(folder)).all("p", "name")]
    assert names == ["before", "step 0", "step 4"] * 8


def test_other_methods_stand_beside_the_run_with_the_command_that_measures_it(
    folder: Path, tmp_path: Path
) -> None:
    rows = [{"method": "dpo", "seed": seed, "before": 0.5, "after": 0.5 + seed / 10} for seed in (1, 2)]
    rows += [{"method": "drpo", "seed": 1, "before": 0.5, "after": 0.9, "quick": True}, {"method": "grpo"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = report.write(folder, beside=tmp_path / "rows.jsonl").read_text("utf-8")
    assert (
        "<td>dpo</td><td>2</td><td>0.65</td><td>0.600 to 0.700</td>" in page and "drpo evaluate RUN" in page
    )
    assert "<td>drpo</td>" not in page and "<td>grpo</td>" not in page


def test_a_run_without_evaluations_or_rows_has_a_page_all_the_same(folder: Path) -> None:
    for name in (
        "log.jsonl",
        "evaluations.jsonl",
        "sample_grids/000000.png",
        "sample_grids/000002.png",
        "sample_grids/000004.png",
    ):
        (folder / name).unlink()
    shutil.rmtree(folder / "images")
    assert "Settings" in report.write(folder).read_text("utf-8")


def test_the_page_goes_into_a_gallery_as_a_section(folder: Path) -> None:
    part = read_section(report.write(folder))
    assert part.title == "drpo: run" and part.html.count("<polyline") == 4 and "<h1>" not in part.html


def test_a_flat_curve_of_one_point_can_be_drawn() -> None:
    assert "NaN" not in line_chart([Curve("one", [(1, 0.5)])], x="step", y="reward")
