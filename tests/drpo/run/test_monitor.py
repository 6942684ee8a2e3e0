"""The monitor: same samples at every evaluation, and an alarm when the target rises at the others' cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from toy_generator import Scorer, ToyGenerator

from drpo.run.monitor import Evaluation, Monitor
from drpo.types import Prompt
from rankkit import Group, Ranking, RankkitError, RunStopped

PROMPTS = [Prompt("a"), Prompt("b")]


def monitor(*found: Evaluation) -> Monitor:
    made = Monitor({"target": Scorer(), "one": Scorer(), "two": Scorer()}, "target", PROMPTS, patience=2)
    made.evaluations.extend(found)
    return made


def at(step: int, target: float, one: float, two: float, diversity: float = 1.0) -> Evaluation:
    return Evaluation(step, {"target": target, "one": one, "two": two}, diversity)


def test_two_evaluations_at_the_same_weights_are_equal() -> None:
    made, toy = monitor(), ToyGenerator()
    first, second = (made.evaluate(step, made.samples(toy), made.base(toy)) for step in (0, 1))
    assert first.scores == second.scores and first.diversity == second.diversity > 0


def test_a_target_that_rises_while_most_held_outs_fall_raises_the_alarm() -> None:
    assert "target rose" in monitor(at(0, 1, 5, 5), at(1, 2, 4, 4), at(2, 3, 3, 3)).alarm()
    assert not monitor(
        at(0, 1, 5, 5), at(1, 2, 4, 6), at(2, 3, 3, 7)
    ).alarm()  # one of two held-outs is not most
    assert not monitor(at(0, 1, 5, 5), at(1, 2, 4, 4)).alarm()  # not long enough


def test_lost_diversity_raises_the_alarm() -> None:
    assert (
        monitor(at(0, 1, 1, 1), at(1, 2, 2, 2, diversity=0.4)).alarm()
        == "diversity fell to 0.40 of the start's"
    )


def test_the_best_evaluation_is_chosen_by_the_held_out_rankers_alone() -> None:
    assert monitor(at(0, 1, 1, 1), at(1, 2, 9, 8), at(2, 99, 3, 3)).best().step == 1


class Forgetful:
    """Forgets the last group."""

    kind = "pointwise"

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        return Scorer().rank(groups)[: max(1, len(groups) - 1)]


class Stopped:
    """Cannot go on."""

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        raise RunStopped("the budget is spent")


def test_a_held_out_ranker_that_loses_count_is_an_error_in_the_first_evaluation() -> None:
    made, toy = Monitor({"held": Forgetful()}, "target", PROMPTS), ToyGenerator()
    with pytest.raises(RankkitError, match="held failed in the first .*1 rankings for 2 groups"):
        made.evaluate(0, made.samples(toy), made.base(toy))


def test_a_group_that_fails_later_costs_that_group_alone_and_is_said() -> None:
    class Fails:
        def rank(self, groups: Sequence[Group]) -> list[Ranking]:
            if "b" in [group.prompt for group in groups] and made.evaluations:
                raise OSError("gone")
            return Scorer().rank(groups)

    made, toy = Monitor({"held": Fails()}, "target", PROMPTS), ToyGenerator()
    for step in (0, 1):
        made.evaluate(step, made.samples(toy), made.base(toy))
    alone = Monitor({"held": Scorer()}, "target", PROMPTS[:1])
    assert made.evaluations[1].scores == alone.evaluate(0, alone.samples(toy), alone.base(toy)).scores
    assert made.troubles == ["the held-out ranker held left out 4 images: OSError: gone"]


def test_what_a_ranker_leaves_out_in_the_first_evaluation_is_said_too() -> None:
    class Refuses:
        kind = "pointwise"

        def rank(self, groups: Sequence[Group]) -> list[Ranking]:
            return [
                Ranking(
                    (math.nan,) * len(each.images), "pointwise", None, ({"error": "no"},) * len(each.images)
                )
                if each.prompt == "a"
                else Scorer().rank([each])[0]
                for each in groups
            ]

    made, toy = Monitor({"held": Refuses()}, "target", PROMPTS), ToyGenerator()
    assert not math.isnan(made.evaluate(0, made.samples(toy), made.base(toy)).scores["held"])
    assert made.troubles == ["the held-out ranker held left out 4 images: no"]


def test_a_held_out_ranker_that_cannot_go_on_costs_its_figure_and_the_target_ends_the_run() -> None:
    made, toy = monitor(at(0, 1, 1, 1)), ToyGenerator()
    made.rankers = {"one": Stopped()}
    assert math.isnan(made.evaluate(1, made.samples(toy), made.base(toy)).scores["one"])
    assert made.troubles == ["the held-out ranker one failed: the budget is spent"]
    made.rankers = {"target": Stopped()}
    with pytest.raises(RunStopped):
        made.evaluate(2, made.samples(toy), made.base(toy))
