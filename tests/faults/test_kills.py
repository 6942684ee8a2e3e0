"""SIGKILL at random moments: what a run ends with, once the same command was given again, is what it would
have been. Fifty times each with ``-m slow``, and by `python -m benchmarks.faults kills`; a few times here and
beside what is killed: `tests/remote`, `tests/scoring/test_processes.py`, `tests/drpo/test_waiting.py`.
"""

import importlib.util
import random

import pytest

from benchmarks.faults.__main__ import KILLS

pytestmark = pytest.mark.fault
QUICK = ["scorer", "label"]


def equal_after(name, times, seed):
    if name == "ray" and importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed")
    found = KILLS[name](times, seed)
    assert found["kills"] >= times and found["equal"] == found["runs"], found


@pytest.mark.parametrize("name", QUICK)
def test_two_kills_change_nothing_of_what_a_run_ends_with(name):
    equal_after(name, 2, random.randrange(10**6))


@pytest.mark.slow
@pytest.mark.parametrize("name", KILLS)
def test_fifty_kills_change_nothing_of_what_a_run_ends_with(name):
    equal_after(name, 50, random.randrange(10**6))
