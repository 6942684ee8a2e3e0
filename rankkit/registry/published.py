"""What others published of how often a ranker chooses as people did, as its card states it::

agreement = [{ data = "HPDv2 test", accuracy = 0.833, source = "arXiv 2306.09341" }]

`data` is a layout that `rankkit agree` reads, by its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FIELDS: Mapping[str, type] = {"data": str, "accuracy": float, "source": str}


@dataclass(frozen=True, slots=True)
class Published:
    """A ranker's pairwise accuracy on the test split of some human choices, 0 to 1, and who says so."""

    ranker: str
    data: str
    accuracy: float
    source: str


def stated(ranker: str, card: Mapping[str, Any]) -> list[Published]:
    """What a card states, without the entries that are none."""
    entries = card.get("agreement")
    return [
        Published(ranker, **entry)
        for entry in (entries if isinstance(entries, list) else [])
        if not list(faults([entry]))
    ]


def faults(entries: object) -> Iterator[str]:
    """What is wrong with the value of ``agreement``, a line each."""
    wanted = ", ".join(FIELDS)
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, Mapping) or set(entry) != set(FIELDS):
            yield f"agreement holds {entry!r}, not a table with {wanted}"
        elif not all(isinstance(entry[name], kind) for name, kind in FIELDS.items()):
            yield f"agreement: {entry!r}, where accuracy is no number like 0.7, or data or source no text"
        elif not 0 <= entry["accuracy"] <= 1:
            yield f"agreement holds accuracy = {entry['accuracy']}, not one from 0 to 1"


def said(value: object) -> str:
    """A value of a card in words."""
    found = stated("", {"agreement": value})
    if not found:
        return str(value)
    return "; ".join(f"{one.accuracy:.3f} on {one.data} ({one.source})" for one in found)
