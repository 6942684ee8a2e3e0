"""Which rankers of some rows a spec names, and with which weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rankkit.core.text import with_options
from rankkit.errors import UsageError
from rankkit.registry.spec import Spec, coerce, panel_name, parse


@dataclass(eq=False, slots=True)
class Column:
    """One ranker as rows know it; `pointwise` until a row says that it scored images beside others."""

    ranker: str
    options: Mapping[str, Any]
    version: str
    pointwise: bool = True

    @property
    def label(self) -> str:
        """The ranker with its options, as one would write it."""
        return with_options(self.ranker, self.options)


Members = Sequence[tuple[Column, float]]


def resolve(specs: Sequence[str], columns: Sequence[Column], where: str) -> Members:
    """The rankers that specs name among those of some rows, with weights; without a spec the only one.

    Raises `UsageError` for a spec that names none or several of them, and for a ranker that is named twice.
    """
    if not specs:
        return [(_only(columns, "the rows", where), 1.0)]
    found: list[tuple[Column, float]] = []
    for text in dict.fromkeys(specs):
        found += _members(text, columns, where)
    twice = [column.label for i, (column, _) in enumerate(found) if column in [each for each, _ in found[:i]]]
    if twice:
        raise UsageError(f"{twice[0]} is named twice; give it a weight instead ({twice[0]}*2)")
    for column, weight in found:
        if not (math.isfinite(weight) and weight > 0):
            raise UsageError(f"the weight of {column.label} is {weight:g}; weights are positive numbers")
    return found


def _members(text: str, columns: Sequence[Column], where: str) -> list[tuple[Column, float]]:
    """What one spec names: the ranker of that very name (a panel that was scored too), else its members."""
    if whole := [column for column in columns if text in (column.label, column.ranker)]:
        exact = [column for column in whole if column.label == text]
        return [(_only(exact or whole, text, where), 1.0)]
    parts = parse(text)
    as_panel = panel_name({spec.text: 1.0 if weight is None else weight for spec, weight in parts})
    if panels := [column for column in columns if column.ranker == as_panel]:
        return [(_only(panels, text, where), 1.0)]
    return [
        (_only(_named(spec, columns, where), spec.text, where), 1.0 if weight is None else weight)
        for spec, weight in parts
    ]


def _named(spec: Spec, columns: Sequence[Column], where: str) -> list[Column]:
    """The columns of that name which have these options; where some have no others, only those."""
    found = [
        column
        for column in columns
        if column.ranker == spec.name
        and all(
            key in column.options and _same(text, column.options[key]) for key, text in spec.options.items()
        )
    ]
    if not found:
        labels = ", ".join(dict.fromkeys(column.label for column in columns))
        raise UsageError(f"{spec.text}: {where} has no rows of it; there are rows of {labels}")
    return [column for column in found if len(column.options) == len(spec.options)] or found


def _same(text: str, value: Any) -> bool:
    return text == str(value) or coerce(text, None) == value


def _only(columns: Sequence[Column], named: str, where: str) -> Column:
    if len(columns) == 1:
        return columns[0]
    labels = list(dict.fromkeys(column.label for column in columns))
    if len(labels) > 1:
        raise UsageError(
            f"{where}: {named} may be any of {', '.join(labels)}; name one by -r, or several to go by their "
            f"mean rank"
        )
    versions = ", ".join(column.version or "none stated" for column in columns)
    raise UsageError(
        f"{where}: holds scores of several versions of {labels[0]} ({versions}), which do not compare; score "
        f"anew into a file of its own"
    )
