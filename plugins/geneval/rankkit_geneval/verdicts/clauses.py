"""GenEval's metadata as typed clauses, checked before anything is detected."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rankkit.errors import RankkitError
from rankkit_geneval.vocabulary import COLORS, RELATIONS, TASKS

KEYS = ("class", "count", "color", "position")  # of a clause
PARTS = ("include", "exclude")
# words for what GenEval would have to check, and does not
SAID_OTHERWISE = frozenset(
    ("colour", "attribute", "attributes", "relation", "relations", "size", "shape", "texture", "material")
)


class BadClause(RankkitError):
    """A prompt's metadata is not GenEval's, or asks for something that nobody can judge."""


@dataclass(frozen=True, slots=True)
class Clause:
    """At least `count` things called `name`, in a colour and a relation where these are given.

    The `count` most confident ones are to be in `color`, and in `relation` to those of clause `target`.

    In an `exclude` clause `count` is the number that is already too many.
    """

    name: str
    count: int
    color: str | None = None
    relation: str | None = None
    target: int = 0


@dataclass(frozen=True, slots=True)
class Demands:
    """All that one prompt asks for: every clause of `include`, in order, and none of `exclude`."""

    tag: str
    include: tuple[Clause, ...]
    exclude: tuple[Clause, ...]

    @property
    def names(self) -> Iterator[str]:
        """Every thing that is mentioned; things that are not can never matter."""
        yield from dict.fromkeys(clause.name for clause in self.include + self.exclude)


def parse(metadata: Mapping[str, Any], classes: Collection[str] | None = None) -> Demands:
    """The clauses in one line of GenEval's evaluation_metadata.jsonl.

    `classes`: the names that can be detected, any if None. Raises `BadClause`, naming the clause, what is
    wrong and what there is.
    """
    if "include" not in metadata and "exclude" not in metadata:
        raise BadClause(
            f"metadata has no include clauses, only {', '.join(map(repr, metadata)) or 'nothing'}; "
            "give GenEval's object"
        )
    _check_keys("metadata", metadata, PARTS)
    if metadata.get("include") is None and not metadata.get("exclude"):
        raise BadClause("include is None, which asks for nothing; give a list of clauses")
    include = tuple(
        _clause(f"include[{i}]", raw, i, classes) for i, raw in enumerate(_clauses(metadata, "include"))
    )
    exclude = tuple(
        _clause(f"exclude[{i}]", raw, 0, classes) for i, raw in enumerate(_clauses(metadata, "exclude"))
    )
    for i, clause in enumerate(exclude):
        if clause.color is not None:
            raise BadClause(
                f"exclude[{i}] has a color, which GenEval does not look at in what is not to be there"
            )
    return Demands(tag_of(metadata), include, exclude)


def tag_of(metadata: Mapping[str, Any]) -> str:
    """The task that metadata is of; empty where it does not say.

    Raises `BadClause` for one that is almost a task of GenEval: it decides which detections count.
    """
    tag = metadata.get("tag")
    if tag is None:
        return ""
    near = difflib.get_close_matches(str(tag).strip().casefold(), TASKS, 1, 0.7)
    if not isinstance(tag, str) or (near and tag not in TASKS):
        hint = f"did you mean {near[0]}?" if near else f"its tasks are {', '.join(TASKS)}"
        raise BadClause(f"the tag is {_shown(tag)}, which is no task of GenEval; {hint}")
    return tag


def _clauses(metadata: Mapping[str, Any], key: str) -> list[Any]:
    found = metadata.get(key)
    if found is None:
        return []
    if isinstance(found, str) and found.lstrip().startswith("["):  # in a cell of a table
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            raise BadClause(f"{key} is {_shown(found)}, which is no JSON") from None
    if not isinstance(found, (list, tuple)):
        raise BadClause(f"{key} is {_shown(found)}, not a list of clauses")
    return list(found)


def _clause(where: str, raw: Any, index: int, classes: Collection[str] | None) -> Clause:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("class"), str):
        raise BadClause(f'{where} is {_shown(raw)}, not an object with a "class"')
    _check_keys(where, raw, KEYS, SAID_OTHERWISE)
    name, count, color, position = (
        raw["class"],
        whole(raw.get("count")),
        raw.get("color"),
        raw.get("position"),
    )
    if classes is not None and name not in classes:
        raise BadClause(
            f"{where} asks for the class {_shown(name)}, "
            f"which {_unknown(name, classes, 'the detector does not know')}"
        )
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise BadClause(f"{where} asks for {_shown(count)} of {name}; a count is a whole number from 1")
    if color is not None and color not in COLORS:
        raise BadClause(
            f"{where} asks for the color {_shown(color)}, which {_unknown(color, COLORS, 'is never named')}"
        )
    return Clause(name, count, color, *_position(where, position, index))


def _position(where: str, position: Any, index: int) -> tuple[str | None, int]:
    if position is None:
        return None, 0
    if not isinstance(position, (list, tuple)) or len(position) != 2:
        raise BadClause(
            f"{where} has the position {_shown(position)}; a position is [relation, "
            "index of an earlier clause]"
        )
    relation, target = position[0], whole(position[1])
    if relation not in RELATIONS:
        raise BadClause(
            f"{where} asks for the relation {_shown(relation)}, "
            f"which {_unknown(relation, RELATIONS, 'cannot be measured')}"
        )
    if isinstance(target, bool) or not isinstance(target, int) or not 0 <= target < index:
        raise BadClause(
            f"{where} is to be {relation} include[{_shown(target)}]; only an earlier clause can be a target"
        )
    return relation, target


def whole(value: Any) -> Any:
    """A whole number that a table has written as 2.0 or as "2"; anything else as it is."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,6}", value.strip()) else value


def _check_keys(
    where: str, found: Mapping[str, Any], known: Collection[str], others: Collection[str] = ()
) -> None:
    """Raise `BadClause` for a key that asks for something under a name that nobody looks at."""
    for key in map(str, found):
        near = difflib.get_close_matches(key.strip().casefold()[:80], known, 1, 0.75)
        if key not in known and (near or key.casefold() in others):
            hint = f"did you mean {near[0]}?" if near else f"it reads {', '.join(known)}"
            raise BadClause(f"{where} has {_shown(key)}, which GenEval does not read; {hint}")


def _unknown(name: object, known: Collection[str], why: str) -> str:
    near = [each for each in known if str(name) in each.split()] or difflib.get_close_matches(
        str(name)[:80], known, 3, 0.5
    )
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
    return f"{why}; {hint}"


def _shown(value: object) -> str:
    return repr(value)[:80]
