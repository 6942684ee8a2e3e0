"""The monitor: same samples at every evaluation, and an alarm when the target rises at the others' cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from toy_generator import Scorer, ToyGenerator

from drpo.run.monitor import Evaluation, Monitor, alarm, best, unimproved
from drpo.run.paired import change
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


def paired(step: int, target: float, held: float, noise: float = 0.0) -> Evaluation:
    """Twelve prompts of four images: figures differ from prompt to prompt, and by `noise` from one evaluation
    to the next.
    """
    rng, prompts = np.random.default_rng(step), np.random.default_rng(99).random((12, 1))
    images = {
        name: (prompts + figure + noise * rng.standard_normal((12, 4))).tolist()
        for name, figure in (("target", target), ("held", held))
    }
    return Evaluation(step, {name: float(np.mean(each)) for name, each in images.items()}, 1.0, images)


def warned(found: Sequence[Evaluation]) -> list[int]:
    """The steps at which a run of these evaluations would have been ended."""
    return [found[at].step for at in range(len(found)) if alarm(found[: at + 1], "target")]


def test_a_healthy_run_that_is_evaluated_densely_goes_on_though_held_out_figures_jitter() -> None:
    found = [paired(step, 0.02 * step, 0.0, noise=0.1) for step in range(60)]
    held = [one.scores["held"] for one in found]
    falls = [held[at] > held[at + 1] > held[at + 2] > held[at + 3] for at in range(57)]
    assert any(falls), "three falls in a row, however small, are there"
    assert warned(found) == []


def test_a_run_that_is_hacked_is_stopped_however_slowly_it_falls_and_whatever_it_bounces() -> None:
    found = [paired(step, 0.02 * step, -0.01 * max(0, step - 10), noise=0.05) for step in range(60)]
    assert warned(found)[0] < 25 and all(step > 10 for step in warned(found))
    assert "against step" in alarm(found[:30], "target")


def test_a_fall_that_all_prompts_share_counts_at_once_and_one_that_they_do_not_never_does() -> None:
    assert change([[0.5, 0.5], [0.9, 0.8]], [[0.49, 0.49], [0.89, 0.79]]) == -1
    assert change([[0.5, 0.5], [0.9, 0.8]], [[0.1, 0.1], [0.95, 0.9]]) == 0
    assert change([[0.5, math.nan, 0.4]], [[0.6, 0.1, 0.51]]) == 1, "one prompt: over its images"
    assert change([], [[0.5]]) == 0 == change([[math.nan]], [[0.5]])


def test_that_nothing_was_better_than_the_base_is_said_in_words() -> None:
    worse = [at(0, 1, 5, 5), at(1, 2, 4, 6), at(2, 3, 3, 3)]
    said = monitor(*worse).unimproved()
    assert said.startswith("no later evaluation was better than the base, by the held-out one, two")
    assert not monitor(*worse, at(3, 1, 9, 9)).unimproved() and not monitor(*worse[:1]).unimproved()
    assert not monitor(*worse[1:]).unimproved(), "a run that was not evaluated at its start knows no base"


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


def test_an_evaluation_whose_images_are_no_numbers_is_an_alarm_and_never_the_best() -> None:
    lost = at(1, 9, 9, 9, diversity=math.nan)
    assert "learning_rate" in monitor(at(0, 1, 1, 1), lost).alarm()
    assert best([at(0, 1, 1, 1), lost], "target").step == 0
    assert not monitor(at(0, 1, 1, 1, diversity=math.nan), lost).alarm()  # one image of each prompt


def test_a_held_out_ranker_without_a_figure_does_not_make_an_evaluation_the_best() -> None:
    found = [at(0, 1, 1, 1), at(1, 2, 3, 3), at(2, 3, math.nan, math.nan)]
    assert best(found, "target").step == 1


def test_where_nobody_judged_nothing_is_said_to_be_better_or_worse_than_the_base() -> None:
    nobody = [at(step, step, math.nan, math.nan) for step in (0, 1)]
    assert "one, two gave no figure" in unimproved(nobody, "target")
    alone = [Evaluation(step, {}, 1.0) for step in (0, 1)]
    assert "no ranker to evaluate it by" in unimproved(alone, "")
