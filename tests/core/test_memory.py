"""What is freed stays with a program: no page is cleared again for each image."""

import os
import subprocess
import sys

import pytest
from score_runs import ENVIRONMENT

FAULTS = """
import resource
import numpy as np
from rankkit.core.memory import keep_freed_memory

def work():
    for _ in range(20):
        first = np.ones(3 * 2**18)
        second = first * 2
        third = (first + second).astype(np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

keep_freed_memory()
before = work()
print(work() - before)
"""
glibc = pytest.mark.skipif(
    not (sys.platform == "linux" and os.confstr("CS_GNU_LIBC_VERSION")), reason="only glibc is told"
)


def faults(**environment):
    command = [sys.executable, "-c", FAULTS]
    run = subprocess.run(
        command, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, check=True
    )
    return int(run.stdout)


@glibc
def test_arrays_of_one_image_after_the_other_stand_where_those_before_did():
    assert faults() < 1000  # 20 times three arrays of 3 to 6 MiB are some 60,000 pages


@glibc
def test_what_the_environment_says_of_memory_stands():
    assert faults(MALLOC_MMAP_THRESHOLD_="65536") > 20_000
    assert faults(GLIBC_TUNABLES="glibc.malloc.mmap_threshold=65536") > 20_000
