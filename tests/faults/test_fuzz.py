"""A few hundred broken and hostile inputs for every reader; a million by `python -m benchmarks.fuzz`."""

import pytest

from benchmarks.fuzz.__main__ import TARGETS
from benchmarks.fuzz.guarded import run_block

pytestmark = pytest.mark.fault


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_any_input_ends_in_a_reading_or_in_words_and_nothing_is_written_elsewhere(target):
    inputs = max(8, min(300, 5 * target.weight))
    found = run_block(target, "tests", inputs)
    assert not found.findings and found.done == inputs and found.mib < 256
