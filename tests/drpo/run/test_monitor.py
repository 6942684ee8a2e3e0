"""The monitor: same samples at every look, and an alarm when the target rises at the others' cost."""

from __future__ import annotations

from toy_generator import Scorer, ToyGenerator

from drpo.run.monitor import Evaluation, Monitor


def monitor(*looks: Evaluation) -> Monitor:
    made = Monitor({"target": Scorer(), "one": Scorer(), "two": Scorer()}, "target", ["a", "b"], patience=2)
    made.evaluations.extend(looks)
    return made


def look(step: int, target: float, one: float, two: float, diversity: float = 1.0) -> Evaluation:
    return Evaluation(step, {"target": target, "one": one, "two": two}, diversity)


def test_two_evaluations_at_the_same_weights_are_equal() -> None:
    made, toy = monitor(), ToyGenerator()
    first, second = (made.evaluate(step, made.samples(toy), made.base(toy)) for step in (0, 1))
    assert first.scores == second.scores and first.diversity == second.diversity > 0


def test_a_target_that_rises_while_most_held_outs_fall_raises_the_alarm() -> None:
    assert "target rose" in monitor(look(0, 1, 5, 5), look(1, 2, 4, 4), look(2, 3, 3, 3)).alarm()
    assert not monitor(
        look(0, 1, 5, 5), look(1, 2, 4, 6), look(2, 3, 3, 7)
    ).alarm()  # one of two held-outs is not most
    assert not monitor(look(0, 1, 5, 5), look(1, 2, 4, 4)).alarm()  # not long enough


def test_lost_diversity_raises_the_alarm() -> None:
    assert (
        monitor(look(0, 1, 1, 1), look(1, 2, 2, 2, diversity=0.4)).alarm()
        == "diversity fell to 0.40 of the start's"
    )


def test_the_best_evaluation_is_chosen_by_the_held_out_rankers_alone() -> None:
    assert monitor(look(0, 1, 1, 1), look(1, 2, 9, 8), look(2, 99, 3, 3)).best().step == 1
