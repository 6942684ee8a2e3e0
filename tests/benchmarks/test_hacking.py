"""Reward hacking: what the row says is said by the rule itself, and the page shows it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.hacking import page
from benchmarks.hacking.runs import HELD_OUT, TARGET, config
from benchmarks.paper.rows import read
from drpo.run.monitor import Evaluation, alarm, best


def test_the_kept_run_was_stopped_by_the_rule_while_its_reward_rose_and_the_best_is_one_before() -> None:
    row = read(page.FILE)[-1]
    found = [Evaluation(**each) for each in row["evaluations"]]
    seen = [one for one in found if one.step <= row["stopped_at"]]
    assert alarm(seen, TARGET) == row["alarm"] != "" and not alarm(seen[:-1], TARGET)
    assert best(seen, TARGET).step == row["best_step"] < row["stopped_at"]
    first, last = found[0].scores, found[-1].scores
    assert last[TARGET] > first[TARGET] and all(last[name] < first[name] for name in HELD_OUT)


def test_both_runs_differ_in_what_an_alarm_does_alone() -> None:
    stopped, warned = config(8, 1), config(8, 1, on_alarm="warn")
    assert [name for name in stopped.__slots__ if getattr(stopped, name) != getattr(warned, name)] == [
        "on_alarm"
    ]


def test_the_section_and_the_figure_say_what_the_row_says(tmp_path: Path) -> None:
    scores = [(0, 0.5), (4, 0.4), (8, 0.25)]
    found = [
        {"step": step, "scores": {TARGET: -900.0 + step, "shapes": score}, "diversity": 2 - step / 8}
        for step, score in scores
    ]
    said = {"target": TARGET, "seed": 1, "command": "python -m x", "alarm": "it rose"}
    row = {**said, "stopped_at": 4, "best_step": 0, "steps": 8, "evaluations": found}
    text = page.section([row])
    assert "ended the run at step 4: it rose." in text
    assert "| graded reward of the detector | 0.500 | 0.400 | 0.250 |" in text
    assert [curve.name for curve in page.curves(row)][-2:] == ["diversity", "the stop rule ends the run"]
    assert page.curves(row)[1].points == [(0, 1.0), (4, 0.8), (8, 0.5)]
    assert "did not end the run" in page.section([row | {"alarm": "", "stopped_at": 8}])
    assert page.section([]) == "" and page.draw(tmp_path / "f.svg").read_text("utf-8").startswith(
        "<svg xmlns="
    )
