"""Processes that answer jobs, and are killed, stopped or asked for what cannot be sent."""

import operator
import os
import random
import signal
import threading
import time
from functools import partial

import pytest

from rankkit.scoring.processes import Lost, Processes
from rankkit.scoring.workers import _context

pytestmark = pytest.mark.fault


def started(answer, size=2, timeout=60.0):
    return Processes(partial(_context, []), partial(partial, *answer), size, timeout=timeout)


def test_answers_come_in_the_order_of_the_questions():
    with started((operator.mul, 3)) as three:
        assert list(three.in_order(iter(range(20)))) == [(i, 3 * i) for i in range(20)]
        assert list(three.in_order(iter([]))) == []


def test_questions_and_answers_of_any_size_keep_nobody_waiting():
    with started((operator.add, "x")) as longer:
        for question, answer in longer.in_order(iter(["y" * 3_000_000] * 6)):
            assert answer == "x" + question


def test_what_answering_raises_is_raised():
    with started((operator.truediv, 1)) as one_over, pytest.raises(ZeroDivisionError):
        list(one_over.in_order(iter([1, 0, 1])))


def test_a_process_killed_or_stopped_at_any_moment_costs_one_answer_at_most():
    rng, over = random.Random(0), threading.Event()
    with started((pow, 3), timeout=1.0) as powers:

        def kill():
            while not over.is_set():
                time.sleep(rng.uniform(0, 0.05))
                if members := list(powers._workers):
                    pid, how = rng.choice(members).process.pid, rng.choice([signal.SIGKILL, signal.SIGSEGV])
                    os.kill(pid, how if rng.random() < 0.97 else signal.SIGSTOP)
                    kills.append(pid)

        kills = []
        threading.Thread(target=kill, daemon=True).start()
        found = list(powers.in_order(iter([20_000 + i for i in range(60)])))
        over.set()
    assert [question for question, _ in found] == [20_000 + i for i in range(60)]
    lost = [answer for _, answer in found if isinstance(answer, Lost)]
    assert all(isinstance(answer, Lost) or answer == 3**question for question, answer in found)
    assert len(lost) <= len(kills)


def test_no_process_is_left_when_they_are_ended_or_forgotten():
    with started((time.sleep,)) as sleepy:
        questions = sleepy.in_order(iter([0, 0, 30, 30, 30, 30]))
        next(questions)
        processes = [worker.process for worker in sleepy._workers]
        assert processes
    assert not any(process.is_alive() for process in processes)
    forgotten = started((operator.mul, 3))
    assert next(forgotten.in_order(iter([1, 2]))) == (1, 3)
    processes = [worker.process for worker in forgotten._workers]
    del forgotten
    assert not any(process.is_alive() for process in processes)
