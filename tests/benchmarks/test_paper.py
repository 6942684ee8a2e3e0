"""The paper's tables in miniature: what is run, what is kept, and what is claimed of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import training
from benchmarks.baselines import METHODS
from benchmarks.paper import night, page, rows, runs
from benchmarks.paper.claims import gained, interval, judged
from benchmarks.paper.plan import JUDGE, SEEDS, TUNING_SEED, Claim, seeds_of, tables
from benchmarks.paper.runs import Run, execute, identity
from drpo import build
from drpo.shapes.render import Thing, images
from rankkit import Group

DRPO = Run("drpo", (), 71)


def row(run: Run, after: float | None = 0.8, **more: Any) -> dict[str, Any]:
    """A row as a run of the miniature writes it."""
    task = {"before": 0.5, "after": after or 0.0}
    return {
        **identity(run),
        "settings": list(run.settings),
        "before": 0.548,
        "after": after,
        "score": {"before": 0.7, "after": 0.9},
        "tasks": dict.fromkeys(("single", "two", "counting", "colors", "position", "attribution"), task),
        "diversity": 0.9,
        "cpu_seconds": 100.0,
        "wall_seconds": 120.0,
        "along": [{"step": 40, "after": 0.6, "score": 0.8, "diversity": 0.9},
                  {"step": 80, "after": 0.8, "score": 0.9, "diversity": 0.9}],
    } | more  # fmt: skip


def test_every_arm_is_a_run_and_every_claim_and_number_of_the_paper_is_of_an_arm() -> None:
    for table in tables().values():
        titles = {arm.title for arm in table.arms} | {"base"}
        assert len(titles) == len(table.arms) + 1, table.name
        assert table.paper.keys() <= titles, table.name
        for claim in table.claims:
            assert {claim.left, *claim.right} <= titles, claim.words
        for arm in table.arms:
            run = night.run_of(arm, SEEDS[0], [], quick=True)
            assert run is not None and identity(run)["config"]["steps"] == 80


def test_a_row_is_found_by_its_settings_and_not_by_another_recipes() -> None:
    known = [row(DRPO), row(Run("drpo", ("group_size=28",), 71))]
    assert rows.find(known, DRPO) is known[0]
    assert rows.find(known, Run("drpo", ("group_size=32",), 71)) is known[0], "the recipe's own value"
    assert rows.find(known, Run("drpo", (), 62)) is None
    assert rows.find(known, Run("drpo", (), 71, quick=True)) is None
    other = json.loads(json.dumps(known[0]))
    other["config"]["anchors"] = 4
    assert rows.find([other], DRPO) is None
    del other["config"]["kernel"], other["config"]["anchors"]
    assert rows.find([other], DRPO) is None, "the recipe's anchors are not the default"


def test_a_setting_that_came_later_had_its_default_in_earlier_rows() -> None:
    earlier = row(DRPO)
    del earlier["config"]["kernel"]
    assert rows.find([earlier], DRPO) is earlier


def test_a_torn_last_line_is_left_out_and_the_next_row_stands_on_its_own(tmp_path: Path) -> None:
    file = tmp_path / "paper.jsonl"
    rows.append({"a": 1}, file)
    with open(file, "a") as torn:
        torn.write('{"a": 2, "b"')
    assert rows.read(file) == [{"a": 1}]
    rows.append({"a": 3}, file)
    assert rows.read(file) == [{"a": 1}, {"a": 3}]
    assert rows.read(tmp_path / "none.jsonl") == []


def test_a_night_goes_on_with_what_is_missing_and_shares_runs_between_tables() -> None:
    asked = [tables()["kernels"], tables()["field"]]
    todo = night.missing(asked, 2, [], quick=False)
    assert len(todo) == 2 * (3 + 2 - 1), "the recipe as it stands is in both"
    half = [row(run) for run in todo[:4]]
    assert night.missing(asked, 2, half, quick=False) == todo[4:]
    assert night.missing(asked, 2, [row(run) for run in todo], quick=False) == []


def test_a_baseline_runs_with_the_try_that_was_right_most_often() -> None:
    main = tables()["main"]
    tuned = [run for name in METHODS for run in night.tries(name)]
    first = night.missing([main], 1, [], quick=False)
    assert first[4:] == tuned, "before a baseline's own runs"
    assert {run.method for run in first[:4]} == {"drpo", "best_of:4", "best_of:32"}
    known = [row(run, 0.6 + 0.1 * (place % 3 == 1)) for place, run in enumerate(tuned)]
    then = {run.method: run for run in night.missing([main], 1, known, quick=False)}
    assert then["grpo"] == Run("grpo", tuned[3 * list(METHODS).index("grpo") + 1].settings, SEEDS[0])


def test_short_runs_take_the_first_try_and_stand_apart() -> None:
    todo = night.missing([tables()["main"]], 1, [], quick=True)
    assert len(todo) == 10 and all(run.quick for run in todo)


def test_what_counts_has_seeds_that_neither_tries_nor_short_runs_saw() -> None:
    assert not {*SEEDS} & {*seeds_of(True), TUNING_SEED}


def test_a_try_that_left_the_finite_numbers_is_never_taken() -> None:
    tried = night.tries("dpo")
    known = [
        row(tried[0], None, diverged="the loss is not a finite number"),
        row(tried[1], 0.2),
        row(tried[2], 0.1),
    ]
    best = night.chosen("dpo", known)
    assert best == tried[1]


def by_seed(*values: float) -> dict[int, float]:
    return dict(zip(SEEDS, values, strict=False))


def test_a_claim_holds_only_where_the_whole_interval_is_on_its_side() -> None:
    claim = Claim("more", "a", ("b", "c"))
    gains = {"a": by_seed(0.34, 0.35, 0.33), "b": by_seed(0.1, 0.11, 0.1), "c": by_seed(0.2, 0.2, 0.21)}
    found = judged(claim, gains)
    assert found and (found.verdict, found.against, found.seeds) == ("holds", "c", 3)
    assert (said := judged(claim, {**gains, "a": by_seed(0.1, 0.1, 0.1)})) and said.verdict == "does not"
    assert (said := judged(claim, {**gains, "a": by_seed(0.0, 0.2, 0.5)})) and said.verdict == "cannot tell"
    assert (said := judged(claim, {name: by_seed(one[71]) for name, one in gains.items()}))
    assert said.verdict == "cannot tell", "one seed has no interval"
    assert judged(claim, {"a": gains["a"], "b": gains["b"]}) is None, "an arm lacks its rows"


def test_alike_means_that_the_interval_lies_within_the_margin() -> None:
    claim = Claim("as good", "a", ("b",), margin=0.03, alike=True)
    for values, verdict in (
        ((0.301, 0.302, 0.3), "holds"), ((0.2, 0.201, 0.2), "does not"), ((0.2, 0.3, 0.4), "cannot tell"),
    ):  # fmt: skip
        found = judged(claim, {"a": by_seed(*values), "b": by_seed(0.3, 0.3, 0.3)})
        assert found and found.verdict == verdict


def test_the_interval_over_three_seeds_is_students() -> None:
    low, high = interval((1.0, 2.0, 3.0))
    assert (low, high) == pytest.approx((2 - 2.484, 2 + 2.484), abs=1e-3)


def test_a_run_that_left_the_finite_numbers_shows_nothing_right() -> None:
    assert gained(row(DRPO, None), "after") == pytest.approx(-0.548)


def test_the_page_says_which_rows_a_table_lacks_and_which_runs_were_short(tmp_path: Path) -> None:
    page.write([], tmp_path)
    text = (tmp_path / "paper.md").read_text("utf-8")
    assert (
        "No rows yet: DrPO; DrPO, as the recipe does since; DRaFT" in text
        and "python -m benchmarks.paper run kernels" in text
    )
    runs_known = [Run("drpo", (), seed) for seed in SEEDS[:3]] + [Run("best_of:4", (), 71)]
    short = night.missing([tables()["kernels"]], 1, [], quick=True)[1:2]
    diverged = row(Run("best_of:32", (), 71), None, diverged="the loss is not a finite number at step 3")
    paths = page.write([*map(row, runs_known), *map(row, short), diverged], tmp_path)
    text = paths[0].read_text("utf-8")
    assert "DrPO learns: **holds** (difference +0.252" in text
    assert "best of 32 at inference: diverged in 1 of 1 (the loss is not a finite number at step 3)" in text
    assert "paper-curves.svg" in text and paths[1].read_text("utf-8").startswith("<svg xmlns=")


def test_a_table_of_short_runs_alone_says_so(tmp_path: Path) -> None:
    known = [row(run) for run in night.missing([tables()["kernels"]], 1, [], quick=True)]
    text = page.write(known, tmp_path)[0].read_text("utf-8")
    kernels = text[text.index("## Kernels") : text.index("## Weights")]
    assert "**Short runs**: 80 steps of 2 prompts" in kernels and "**cannot tell** from one seed" in kernels


def test_full_runs_take_the_place_of_short_ones_once_they_are_of_as_many_arms() -> None:
    kernels = tables()["kernels"]
    short, full = ([row(run) for run in night.missing([kernels], 1, [], quick=q)] for q in (True, False))
    assert page.best_rows(kernels, [*short, *full[:2]])[1]
    assert not page.best_rows(kernels, [*short, *full])[1]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs of four steps on few images, which take the same way as long ones."""
    monkeypatch.setattr(runs, "QUICK_STEPS", 4)
    monkeypatch.setattr(training, "EACH", 2)
    monkeypatch.setattr(training, "prompts", lambda split: prompts_few(split))
    runs._before.cache_clear()
    yield
    runs._before.cache_clear()


def prompts_few(split: Any) -> list[str]:
    from drpo.shapes.world import prompts

    return prompts(split)[::6]


FEW = ("group_size=6", "anchors=2", "prompts_per_step=1")


@pytest.mark.usefixtures("small")
def test_a_baseline_that_diverges_is_a_row_that_says_so() -> None:
    run = Run("best_of_k", (*FEW, "learning_rate=1e30", "knob=2"), 61, "tuning", quick=True)
    found = json.loads(json.dumps(execute(run)))
    assert "finite numbers at step" in found["diverged"]
    assert found.get("after") is None and rows.find([found], run) is found


@pytest.mark.usefixtures("small")
def test_a_run_whose_reward_falls_below_the_base_is_said_to_have_diverged() -> None:
    run = Run("drpo", (*FEW, "learning_rate=0.5"), 61, quick=True)
    found = execute(run)
    assert found["after"] < found["before"] - 0.1 and "fell from" in found["diverged"]
    assert [point["step"] for point in found["along"]] == [2, 4]


def test_the_judge_prefers_the_right_image_and_its_position_bias_cancels() -> None:
    shown = images([(Thing("circle", "blue", 8, 8),), (Thing("circle", "red", 8, 8),), ()])
    (ranking,) = build.ranker(JUDGE).rank([Group("a photo of a red circle", tuple(shown))])
    assert ranking.kind == "pairwise" and ranking.ranks == (2.0, 1.0, 3.0)
