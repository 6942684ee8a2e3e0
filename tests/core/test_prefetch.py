"""Work ahead: in order, bounded, and never in the way of an interruption."""

import itertools
import os
import subprocess
import sys
import time
import weakref

import pytest
from score_runs import ENVIRONMENT

from rankkit.core import prefetch as ahead
from rankkit.core.prefetch import AHEAD, prefetch


@pytest.mark.parametrize(("side", "most"), [(64, AHEAD), (6000, 2), (12_000, 2)])
def test_fewer_images_are_under_way_when_they_are_large(side, most):
    """At most the number allowed; the first image of a run is read alone, because nothing is known of its
    size.
    """
    asked, under_way = [], []
    items = (asked.append(i) or i for i in range(80))
    for taken, found in enumerate(prefetch(items, lambda i: side * side, lambda pixels: pixels)):
        assert found == (taken, side * side)
        under_way.append(len(asked) - taken)
    assert max(under_way) <= most and len(under_way) == 80


def test_an_error_is_raised_where_the_result_is_wanted():
    results = prefetch(range(10), lambda i: 1 // (5 - i))
    assert [result for _, result in (next(results) for _ in range(5))] == [0, 0, 0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_no_thread_holds_the_function_where_the_results_are_no_longer_wanted():
    class Slow:
        """Takes long for the images behind the first ones."""

        def __call__(self, i):
            time.sleep(0.05 * (i > 2))
            return i

    slow = Slow()
    gone, results = weakref.ref(slow), prefetch(range(1000), slow, ahead=64)
    assert [result for _, result in itertools.islice(results, 8)] == list(range(8))
    results.close()
    del slow, results
    assert gone() is None


INTERRUPTED = """
import random, signal
from rankkit.core.prefetch import prefetch

def interrupt(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
moments = random.Random(0)
for _ in range(400):
    try:
        signal.setitimer(signal.ITIMER_REAL, moments.uniform(1e-4, 6e-3))
        for _ in prefetch(range(10**6), abs):
            pass
    except KeyboardInterrupt:
        pass
print("done")
"""


def test_an_interruption_at_any_moment_ends_it():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], env=ENVIRONMENT, capture_output=True, timeout=120
    )
    assert done.stdout == b"done\n", done.stderr.decode()[-2000:]


@pytest.mark.parametrize(
    ("limit", "most"), [("max 100000", None), ("50000 100000", 1), ("", None), ("x y", None)]
)
def test_a_container_that_may_use_fewer_cores_than_there_are_gets_no_more(limit, most, tmp_path, monkeypatch):
    file = tmp_path / "cpu.max"
    file.write_text(limit)
    monkeypatch.setattr(ahead, "QUOTA", file)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert ahead.cores() == (most or allowed)
