"""Texts that are made safe to show."""

import pytest

from rankkit.plugin import reason_of


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no such file:\n    a.safetensors", "no such file: a.safetensors"),
        ("\x1b[1mWeights only\x1b[0m load failed", "Weights only load failed"),
        ("a title\x1b]0;gone\x07", "a title\\x1b]0;gone\\x07"),
        ("", "OSError"),
        ("long " * 100, ("long " * 40)),
    ],
)
def test_what_a_library_said_is_one_short_line_without_its_colors(text: str, shown: str) -> None:
    assert reason_of(OSError(text)) == shown
