"""Rankings that are odd: scores beyond single precision, groups without an order, rankers that change."""

import dataclasses
import importlib
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from toy_generator import SETTINGS, Scorer, ToyGenerator, ranked_trainer, redness

import rankkit
from drpo import build
from drpo.features.latent import Latent
from drpo.run.monitor import Monitor
from drpo.run.run import Ending, run
from drpo.types import Prompt, mean
from drpo.waiting import Patient
from rankkit import Group, Ranker, Ranking, RankkitError
from rankkit.core.build import build as built


class By:
    """Scores that a function makes of redness."""

    kind = "pointwise"

    def __init__(self, scores: Callable[[list[float]], Sequence[float]]) -> None:
        self.scores = scores

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        return [Ranking(tuple(self.scores(redness(group))), "pointwise") for group in groups]


def trained(out: Path, ranker: Ranker, **changes: Any) -> tuple[Ending, list[dict[str, Any]]]:
    config = dataclasses.replace(SETTINGS, steps=4, group_size=8, anchors=2, eval_every=2, **changes)
    learner = ranked_trainer(config, ToyGenerator(), Latent(), ranker, ["a", "b", "c"])
    ending = run(learner, out, monitor=Monitor({"toy": ranker}, "toy", [Prompt("a"), Prompt("b")]))
    return ending, [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("size", [1e-320, 1e-3, 1e39, 3e305])
def test_only_the_order_counts_whatever_the_size_of_scores_and_the_curve_has_their_mean(
    tmp_path: Path, size: float
) -> None:
    _, plain = trained(tmp_path / "plain", Scorer())
    _, rows = trained(tmp_path / "run", By(lambda reds: [size * red for red in reds]))
    assert [row["loss"] for row in rows] == [row["loss"] for row in plain]
    for row, other in zip(rows, plain, strict=True):
        assert row["reward"] == pytest.approx(size * other["reward"], rel=1e-6, abs=1e-6)
    found = [json.loads(line)["eval/toy"] for line in (tmp_path / "run/evaluations.jsonl").open()]
    assert None not in found


def test_equal_scores_beyond_single_precision_are_equal_and_not_missing(tmp_path: Path) -> None:
    ending, _ = trained(tmp_path, By(lambda reds: [1.7e308] * len(reds)))
    assert "nothing was learned: in each of 4 steps" in ending.skipped


def test_a_group_in_which_one_candidate_got_a_score_is_not_one_of_equals(tmp_path: Path) -> None:
    ending, rows = trained(tmp_path, By(lambda reds: [1.0] + [math.nan] * (len(reds) - 1)))
    assert ending.skipped.startswith("4 of 4 steps were skipped, without any ranking to learn from")
    assert all(row["equal"] == 0 and row["abstained"] == 7 and row["reward"] == 1 for row in rows)


def test_half_a_group_that_abstains_leaves_the_other_half_to_learn_from(tmp_path: Path) -> None:
    def half(reds: list[float]) -> list[float]:
        return [red if at % 2 else math.nan for at, red in enumerate(reds)]

    ending, rows = trained(tmp_path, By(half))
    assert not ending.skipped and all(row["skipped"] == 0 and row["abstained"] == 4 for row in rows)


def test_an_abstention_without_a_reason_is_said_to_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ending, _ = trained(tmp_path, By(lambda reds: [math.nan] * len(reds)))
    said = capsys.readouterr().err
    assert "step 1: no candidate got a score; the ranker abstained and did not say why" in said
    assert ending.skipped.endswith("the ranker abstained and did not say why")


@pytest.mark.parametrize("answer", [2.0, -1, 1e308, -1e308, math.nan, math.inf, None, "A"])
def test_a_margin_that_is_no_probability_teaches_nothing_and_is_said(tmp_path: Path, answer: object) -> None:
    judge = built(rankkit.pairwise(lambda first, second: answer))
    ending, rows = trained(tmp_path, judge)
    assert (ending.skipped.startswith("4 of 4 steps were skipped") and "instead of a" in ending.skipped) or (
        "which is not a probability" in ending.skipped
    )
    assert all(row["skipped"] == 1 and row["abstained"] == 8 for row in rows)


def test_a_judge_that_goes_in_circles_ties_and_opposes_nobody(tmp_path: Path) -> None:
    def round_and_round(first: Any, second: Any) -> float:
        steps = [int.from_bytes(image.tobytes()[:8], "big") % 3 for image in (first, second)]
        return {0: 0.5, 1: 1.0, 2: 0.0}[(steps[0] - steps[1]) % 3]

    _, rows = trained(tmp_path, built(rankkit.pairwise(round_and_round)))
    assert all(math.isfinite(row.get("loss") or 0.0) and row["broken"] == 0 for row in rows)


def test_a_mean_is_that_of_the_numbers_also_where_their_sum_is_none() -> None:
    assert mean([1.0, math.nan, 2.0]) == 1.5 and math.isnan(mean([math.nan]))
    assert mean([1.7e308, 1.7e308]) == pytest.approx(1.7e308) and mean([1e308, -1e308]) == 0


class Renewed(Scorer):
    """A scorer whose weights are another version from the fourth question on."""

    def __init__(self) -> None:
        self.asked = 0

    @property
    def version(self) -> str:
        return "weights-1" if self.asked < 4 else "weights-2"

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        self.asked += 1
        return super().rank(groups)


def test_a_ranker_that_becomes_another_version_in_the_middle_ends_the_run_and_what_was_trained_is_kept(
    tmp_path: Path,
) -> None:
    ranker = Patient(Renewed(), "renewed", 0)
    with pytest.raises(RankkitError, match=r"renewed was version weights-1 and is weights-2 .*are kept in"):
        trained(tmp_path, ranker)
    assert (tmp_path / "checkpoints").is_dir()


def test_a_held_out_ranker_that_becomes_another_version_ends_the_run_too(tmp_path: Path) -> None:
    config = dataclasses.replace(SETTINGS, steps=4, eval_every=1)
    learner = ranked_trainer(config, ToyGenerator(), Latent(), Scorer(), ["a"])
    watched = Monitor({"toy": Scorer(), "held": Renewed()}, "toy", [Prompt("a")])
    with pytest.raises(RankkitError, match=r"held was version weights-1 and is weights-2 now"):
        run(learner, tmp_path, monitor=watched)


def test_a_run_does_not_go_on_with_another_version_of_its_rankers(tmp_path: Path) -> None:
    def some(steps: int, **versions: str) -> Ending:
        config = dataclasses.replace(SETTINGS, steps=steps)
        learner = ranked_trainer(config, ToyGenerator(), Latent(), Scorer(), ["a"])
        watched = Monitor({"toy": Scorer()}, "toy", [Prompt("a")], versions=versions)
        return run(learner, tmp_path, monitor=watched)

    some(1, toy="1.0+sha256:a")
    with pytest.raises(
        RankkitError, match=r"toy of version 1\.0\+sha256:a, and it is 1\.1 now.*another out="
    ):
        some(2, toy="1.1")
    some(2, toy="1.0+sha256:a")


def test_a_function_that_was_edited_is_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    versions = set()
    for number in (1, 2):
        (tmp_path / "edited_ranker.py").write_text(
            f"def level(image):\n    return {number}.0{'  ' * number}\n"
        )
        sys.modules.pop("edited_ranker", None)
        importlib.invalidate_caches()
        ranker, version = build.versioned("edited_ranker:level")
        assert ranker.rank([Group("p", (Image.new("RGB", (4, 4)),))])[0].scores == (number,)
        versions.add(version)
    assert len(versions) == 2
