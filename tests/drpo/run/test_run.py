"""A run and its folder: what is written, what is kept when something goes wrong, and that going on changes
nothing.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import SafetensorError
from toy_generator import SETTINGS, Judge, Scorer, ToyGenerator, monitor, ranked_trainer, redness

from drpo.config import Config
from drpo.features.latent import Latent
from drpo.run import checkpoint
from drpo.run.files import EVALUATIONS, LOG, LORA
from drpo.run.files import read_rows as read
from drpo.run.monitor import Monitor
from drpo.run.run import Ending, run
from drpo.train import Trainer
from drpo.types import LogRow, Prompt
from rankkit import Group, Ranker, Ranking, RankkitError, RunStopped


def trainer(ranker: Ranker | None = None, config: Config = SETTINGS, **changes: Any) -> Trainer:
    return ranked_trainer(
        dataclasses.replace(config, **changes), ToyGenerator(), Latent(), ranker or Scorer(), ["a", "b", "c"]
    )


class Falling:
    """The opposite of the target: what a held-out ranker that is being gamed says."""

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        return [Ranking(tuple(-red for red in redness(group)), "pointwise") for group in groups]


class Failing:
    """A scorer that works for some calls and then does not."""

    def __init__(self, calls: int, error: Exception) -> None:
        self.calls, self.error = calls, error

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        self.calls -= 1
        if self.calls < 0:
            raise self.error
        return Scorer().rank(groups)


def equal(one: Trainer, other: Trainer) -> bool:
    return all(
        torch.equal(a, b)
        for a, b in zip(one.weights + one.average, other.weights + other.average, strict=True)
    )


def at_step(number: int, what: Any) -> Any:
    def watch(row: LogRow) -> None:
        if row["step"] == number:
            what()

    return watch


def kill() -> None:
    raise KeyboardInterrupt


def test_a_killed_and_resumed_run_equals_an_uninterrupted_one_in_weights_log_and_evaluations(
    tmp_path: Path,
) -> None:
    changes: dict[str, Any] = {"steps": 30, "eval_every": 5, "on_alarm": "warn"}
    whole, killed, resumed = (trainer(**changes) for _ in range(3))
    run(whole, tmp_path / "whole", monitor=monitor(held=Falling()))
    with pytest.raises(KeyboardInterrupt):
        run(killed, tmp_path / "parts", monitor=monitor(held=Falling()), watch=at_step(17, kill))
    assert len(read(tmp_path / "parts" / EVALUATIONS)) == 4  # one of them after the checkpoint
    run(resumed, tmp_path / "parts", monitor=monitor(held=Falling()))
    assert equal(whole, resumed)
    for name in (LOG, EVALUATIONS):
        one, other = (read(tmp_path / folder / name) for folder in ("whole", "parts"))
        assert [_timeless(row) for row in one] == [_timeless(row) for row in other], name


def _timeless(row: LogRow) -> LogRow:
    return {name: value for name, value in row.items() if not name.startswith("s_") and name != "peak_mb"}


def test_ctrl_c_lets_the_step_end_keeps_it_and_the_next_run_goes_on(tmp_path: Path) -> None:
    whole, first, second = (trainer(steps=12) for _ in range(3))
    run(whole, tmp_path / "whole")
    handler = signal.getsignal(signal.SIGINT)
    ending = run(first, tmp_path / "parts", watch=at_step(7, lambda: os.kill(os.getpid(), signal.SIGINT)))
    assert (
        ending == Ending(interrupted=True)
        and first.steps_done == 7
        and signal.getsignal(signal.SIGINT) is handler
    )
    assert not (tmp_path / "parts/toy.pt").exists()
    assert run(second, tmp_path / "parts") == Ending() and equal(whole, second)


@pytest.mark.fault
def test_a_ranker_that_dies_is_named_and_what_was_trained_is_kept(tmp_path: Path) -> None:
    whole, dying, resumed = (
        trainer(steps=6),
        trainer(Failing(4, ValueError("out of ideas")), steps=6),
        trainer(steps=6),
    )
    run(whole, tmp_path / "whole")
    with pytest.raises(
        RankkitError,
        match=r"failed at step 5, on 'c' and 1 more: ValueError: out of ideas; 4 steps are kept in .*parts",
    ):
        run(dying, tmp_path / "parts")
    run(resumed, tmp_path / "parts")
    assert equal(whole, resumed)


def test_a_ranker_that_stops_the_run_ends_it_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(RunStopped, match="budget is spent"):
        run(trainer(Failing(3, RunStopped("the budget is spent"))), tmp_path)


def test_a_run_that_stops_while_it_is_evaluated_goes_on_from_that_step(tmp_path: Path) -> None:
    class Stops:
        """The target of evaluations, which cannot go on in its second."""

        def rank(self, groups: Sequence[Group]) -> list[Ranking]:
            if stopping.evaluations:
                raise RunStopped("nobody answers")
            return Scorer().rank(groups)

    whole, first, second = (trainer(steps=6, eval_every=4, checkpoint_every=100) for _ in range(3))
    run(whole, tmp_path / "whole", monitor=monitor())
    stopping = Monitor({"toy": Stops()}, "toy", monitor().prompts)
    with pytest.raises(RunStopped, match="nobody answers; 4 steps are kept in"):
        run(first, tmp_path / "parts", monitor=stopping)
    run(second, tmp_path / "parts", monitor=monitor())
    assert equal(whole, second)
    for name in (LOG, EVALUATIONS):
        one, other = (read(tmp_path / folder / name) for folder in ("whole", "parts"))
        assert [_timeless(row) for row in one] == [_timeless(row) for row in other], name


def test_an_alarm_ends_the_run_or_only_warns(tmp_path: Path) -> None:
    stopped = trainer(steps=30, eval_every=2)
    ending = run(stopped, tmp_path / "stop", monitor=monitor(held=Falling()))
    assert (
        "toy rose while most held-out rankers fell, 3 evaluations in a row" in ending.alarm
        and stopped.steps_done < 30
    )
    assert (tmp_path / "stop/toy.pt").is_file()
    again = trainer(steps=30, eval_every=2)
    assert (
        run(again, tmp_path / "stop", monitor=monitor(held=Falling())) == ending
        and again.steps_done == stopped.steps_done
    )
    warned = trainer(steps=30, eval_every=2, on_alarm="warn")
    run(warned, tmp_path / "stop", monitor=monitor(held=Falling()))  # the same folder may go on
    assert warned.steps_done == 30


def test_the_best_evaluation_by_held_out_rankers_is_kept_beside_the_last(tmp_path: Path) -> None:
    ending = run(
        trainer(steps=10, eval_every=2, on_alarm="warn"), tmp_path / "gamed", monitor=monitor(held=Falling())
    )
    assert "best/ is the base as it was" in ending.unimproved
    best = [torch.load(tmp_path / "gamed" / folder / "toy.pt")[0] for folder in ("best", ".")]
    assert not best[0].any() and best[1].any()  # the held-out ranker liked the base most
    ending = run(trainer(steps=10, eval_every=2), tmp_path / "pleased", monitor=monitor(held=Scorer()))
    assert not ending.unimproved
    best = [torch.load(tmp_path / "pleased" / folder / "toy.pt")[0] for folder in ("best", ".")]
    assert torch.equal(*best)


def test_every_evaluation_leaves_a_row_and_a_sample_grid(tmp_path: Path) -> None:
    run(trainer(steps=5, eval_every=2), tmp_path, monitor=monitor())
    found = read(tmp_path / EVALUATIONS)
    assert [one["step"] for one in found] == [0, 2, 4, 5]
    assert found[-1]["eval/toy"] > found[0]["eval/toy"] and found[0]["diversity"] > 0
    for one in found:
        with Image.open(tmp_path / f"sample_grids/{one['step']:06d}.png") as sheet:
            sheet.load()


def test_a_judge_of_pairs_is_watched_by_its_win_rate_against_the_base(tmp_path: Path) -> None:
    run(
        trainer(Judge(), steps=20, eval_every=20),
        tmp_path,
        monitor=Monitor({"judge": Judge()}, "judge", [Prompt("a"), Prompt("b")]),
    )
    first, last = read(tmp_path / EVALUATIONS)
    assert first["eval/judge"] == 0.5 and last["eval/judge"] > 0.9


def test_a_held_out_ranker_that_fails_is_an_error_in_the_first_evaluation_and_costs_only_itself_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RankkitError, match="ranker held failed in the first evaluation: OSError: gone"):
        run(
            trainer(steps=4, eval_every=2),
            tmp_path / "first",
            monitor=monitor(held=Failing(0, OSError("gone"))),
        )
    run(trainer(steps=4, eval_every=2), tmp_path / "later", monitor=monitor(held=Failing(2, OSError("gone"))))
    assert [one["eval/held"] is None for one in read(tmp_path / "later" / EVALUATIONS)] == [
        False,
        True,
        True,
    ]
    assert "step 2: the held-out ranker held failed: OSError: gone" in capsys.readouterr().err


def test_a_ranker_that_scores_nothing_teaches_nothing_and_its_reason_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Abstains:
        def rank(self, groups: Sequence[Group]) -> list[Ranking]:
            return [
                Ranking((math.nan,) * 16, details=({"error": "no quotes in the prompt"},) * 16)
                for _ in groups
            ]

    run(trainer(Abstains(), steps=2), tmp_path)
    assert capsys.readouterr().err == "step 1: no candidate got a score; no quotes in the prompt\n"
    rows = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert all("reward" not in row and row["skipped"] == 1 and row["abstained"] == 16 for row in rows)


def test_a_run_folder_of_another_config_is_refused_but_more_steps_are_not(tmp_path: Path) -> None:
    run(trainer(steps=2), tmp_path)
    run(trainer(steps=3), tmp_path)
    with pytest.raises(RankkitError, match="anchors was 4 and is 2"):
        run(trainer(steps=3, anchors=2), tmp_path)


@pytest.mark.parametrize("prompts", [["a", "b"], ["a", "c", "b"], ["a", "b", "z"]])
def test_a_run_does_not_go_on_from_other_prompts_than_it_began_with(
    prompts: list[str], tmp_path: Path
) -> None:
    run(trainer(steps=2), tmp_path)
    config = dataclasses.replace(SETTINGS, steps=3)
    other = ranked_trainer(config, ToyGenerator(), Latent(), Scorer(), prompts)
    with pytest.raises(
        RankkitError, match=rf"made with 3 prompts \(prompts\), and .* other ones now \({len(prompts)}\)"
    ):
        run(other, tmp_path)
    run(trainer(steps=3), tmp_path)


def test_a_run_does_not_go_on_with_other_prompts_for_its_evaluations(tmp_path: Path) -> None:
    run(trainer(steps=2), tmp_path, monitor=monitor())
    other = monitor()
    other.prompts = [*other.prompts, Prompt("another")]
    with pytest.raises(
        RankkitError, match=r"made with \d prompts \(validation\), and there are other ones now"
    ):
        run(trainer(steps=3), tmp_path, monitor=other)
    run(trainer(steps=3), tmp_path, monitor=monitor())


def test_a_run_is_not_made_shorter_than_it_is(tmp_path: Path) -> None:
    run(trainer(steps=3), tmp_path)
    with pytest.raises(RankkitError, match=r"trained for 3 steps, and steps=2 is less; give at least"):
        run(trainer(steps=2), tmp_path)


@pytest.mark.parametrize("line", [b"garbage\n", b"[1]\n", b"\0\0\0\n", b"\xff{}\n"])
def test_a_line_of_a_log_that_is_no_row_is_named(line: bytes, tmp_path: Path) -> None:
    run(trainer(steps=2), tmp_path)
    rows = (tmp_path / LOG).read_bytes()
    (tmp_path / LOG).write_bytes(rows + line)
    with pytest.raises(RankkitError, match=r"log\.jsonl, line 3, is no row of a run .*; take the line out"):
        run(trainer(steps=3), tmp_path)


def test_two_runs_are_not_written_into_one_folder_at_once(tmp_path: Path) -> None:
    second = trainer(steps=2)

    def also(row: LogRow) -> None:
        with pytest.raises(
            RankkitError, match=r"another process is training in .*; wait for its end, stop it"
        ):
            run(second, tmp_path)

    run(trainer(steps=2), tmp_path, watch=also)
    run(trainer(steps=3), tmp_path)
    assert [row["step"] for row in read(tmp_path / LOG)] == [1, 2, 3]


def test_a_folder_that_cannot_be_made_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "x")
    for out in ("file", "file/below", "link"):
        with pytest.raises(RankkitError, match=rf"out=.*{out}: .* is no folder; choose another out="):
            checkpoint.check(tmp_path / out, {"steps": 1})


def test_a_config_that_is_torn_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"gener')
    with pytest.raises(RankkitError, match=r"config\.json is damaged .*put it back as it was, or"):
        run(trainer(), tmp_path)


def test_a_half_written_checkpoint_is_passed_over(tmp_path: Path) -> None:
    good = checkpoint.save(tmp_path, 10, {"step": 10})
    torn = tmp_path / "checkpoints" / "000020"
    torn.mkdir()
    (torn / checkpoint.STATE).write_bytes(b"torn")
    assert checkpoint.latest(tmp_path) == good


@pytest.mark.fault
def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = checkpoint.save(tmp_path, 10, {"step": 10})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(RankkitError, match=r"No space left on device; the last good one is .*000010"):
        checkpoint.save(tmp_path, 20, {"step": 20})
    assert checkpoint.latest(tmp_path) == good and checkpoint.load(good) == {"step": 10}

    def torn(*_: object) -> None:  # as torch words it
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 128 vs 24")

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(
        RankkitError, match=r"no space is left on its disk; there is none before it; free space"
    ):
        checkpoint.save(tmp_path / "other", 20, {"step": 20})


def test_a_checkpoint_that_cannot_be_written_anew_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an evaluation that the run stopped before, the state of the same step is written once more."""
    checkpoint.save(tmp_path, 5, {"step": 5})
    with monkeypatch.context() as full:
        full.setattr(torch, "save", lambda state, file: (file.write(b"torn"), os.close(-1)))
        with pytest.raises(RankkitError, match="the last good one is .*000005"):
            checkpoint.save(tmp_path, 5, {"step": 6})
    found = checkpoint.latest(tmp_path)
    assert found and checkpoint.load(found) == {"step": 5}
    assert sorted(path.name for path in found.iterdir()) == ["complete", "state.pt"]


def test_the_lora_of_a_run_that_goes_on_is_set_aside_until_it_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(trainer(steps=4), tmp_path)
    (tmp_path / LORA).write_bytes(b"of four steps")
    run(trainer(steps=4), tmp_path)
    assert (tmp_path / LORA).is_file()
    run(trainer(steps=8), tmp_path)
    aside = tmp_path / "pytorch_lora_weights_000004.safetensors"
    assert not (tmp_path / LORA).exists() and aside.read_bytes() == b"of four steps"
    assert "is of 4 steps" in capsys.readouterr().err


def test_a_run_that_ended_and_lost_its_checkpoints_does_not_begin_anew(tmp_path: Path) -> None:
    run(trainer(steps=4), tmp_path)
    (tmp_path / LORA).write_bytes(b"of four steps")
    shutil.rmtree(tmp_path / "checkpoints")
    with pytest.raises(RankkitError, match="no checkpoint to go on from"):
        run(trainer(steps=8), tmp_path)
    assert len(read(tmp_path / LOG)) == 4 and (tmp_path / LORA).is_file()


def test_weights_that_are_no_numbers_any_more_are_not_written(tmp_path: Path) -> None:
    lost = trainer(steps=2)

    def explode() -> None:
        for weight in lost.average:
            weight.fill_(math.inf)

    with pytest.raises(RankkitError, match="learning_rate below"):
        run(lost, tmp_path, watch=at_step(2, explode))
    assert not (tmp_path / "toy.pt").exists()


def test_a_disk_that_is_full_for_the_lora_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: ToyGenerator, folder: Path) -> None:
        raise SafetensorError("I/O error: File too large (os error 27)")

    monkeypatch.setattr(ToyGenerator, "save", full)
    with pytest.raises(RankkitError, match="cannot be written: I/O error: File too large"):
        run(trainer(steps=2), tmp_path)


def test_files_of_a_run_that_are_links_stay_links_when_the_run_goes_on(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run(trainer(steps=2, checkpoint_every=2), out)
    elsewhere.mkdir()
    for name in (LOG, checkpoint.CONFIG):
        (out / name).rename(elsewhere / name)
        (out / name).symlink_to(elsewhere / name)
    run(trainer(steps=4, checkpoint_every=2), out)
    assert (out / LOG).is_symlink() and len(read(elsewhere / LOG)) == 4
    assert (out / checkpoint.CONFIG).is_symlink() and checkpoint.read(out)["steps"] == 4
    assert {path.name for path in elsewhere.iterdir()} == {LOG, checkpoint.CONFIG}


@pytest.mark.fault
@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="no /dev/full here, which is a disk that is always full"
)
def test_a_disk_that_is_full_for_the_log_is_one_message(tmp_path: Path) -> None:
    checkpoint.claim(tmp_path, asdict(trainer(steps=2).config))
    (tmp_path / LOG).symlink_to("/dev/full")
    with pytest.raises(
        RankkitError,
        match=r"run folder .* cannot be written: No space left on device; free space or choose another out=",
    ):
        run(trainer(steps=2), tmp_path)


def test_numbers_and_sample_grids_reach_the_tracker(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(trainer(steps=3, eval_every=3), tmp_path, monitor=monitor(), tracker="tensorboard")
    (folder,) = {path.parent for path in tmp_path.rglob("*tfevents*") if path.parent.name == "tensorboard"}
    events = EventAccumulator(str(folder)).Reload()
    assert [event.step for event in events.Scalars("reward")] == [1, 2, 3] and "eval/toy" in events.Tags()[
        "scalars"
    ]
    assert [event.step for event in events.Images("before and after")] == [0, 3]


def test_numbers_and_sample_grids_reach_weights_and_biases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run(trainer(steps=3, eval_every=3), tmp_path, monitor=monitor(), tracker="wandb")
    wandb.teardown()  # its process writes what it was told before it ends
    (written,) = tmp_path.rglob("*.wandb")
    kept = written.read_bytes()
    assert [
        name for name in (b"reward", b"eval/toy", b"s_backward", b"learning_rate") if name not in kept
    ] == []
    assert len(list(tmp_path.rglob("media/**/*.png"))) == 2  # before the first step and after the last


def test_a_tracker_that_is_not_installed_is_said_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(
        RankkitError, match="tracker=comet_ml needs the package comet_ml: pip install comet_ml"
    ):
        run(trainer(steps=1), tmp_path, tracker="comet_ml")


def test_a_checkpoint_of_another_base_is_refused_with_the_shapes(tmp_path: Path) -> None:
    run(trainer(steps=2), tmp_path)
    found = checkpoint.latest(tmp_path)
    assert found is not None
    state = checkpoint.load(found)
    whole = state["weights"]
    for other, said in ((whole[:-1], "weights, and"), ([w[..., :1] for w in whole], r"first other one \(")):
        torch.save({**state, "weights": other}, found / checkpoint.STATE)
        with pytest.raises(RankkitError, match=rf"000002 is of another base: it holds .*{said}"):
            run(trainer(steps=3), tmp_path)
    torch.save({"step": 2}, found / checkpoint.STATE)
    with pytest.raises(RankkitError, match="000002 lacks average, optimizer, scaler, weights; delete it"):
        run(trainer(steps=3), tmp_path)
