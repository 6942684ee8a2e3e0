"""Two folders to pairs of images: by relative path, by prompt, or by the number in the name.

Never by guess: what has no partner is named, and two images with different prompts are no pair.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rankkit.errors import BadSource
from rankkit.io.prompts import survey
from rankkit.io.prompts.base import Item

BY_PATH, BY_STEM, BY_NUMBER = "relative path", "relative path without suffix", "number in the name"
DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class ImagePair:
    """The image of A and the image of B for one prompt."""

    a: Item
    b: Item

    @property
    def prompt(self) -> str:
        """The prompt of both, also where one side alone has it."""
        return self.a.prompt or self.b.prompt

    @property
    def one_prompt(self) -> bool:
        """Whether both sides have one prompt, or one side has none."""
        return not (self.a.prompt and self.b.prompt) or _words(self.a.prompt) == _words(self.b.prompt)


@dataclass
class Pairing:
    """How two folders match: `by` says in words how; what has no partner is named, not dropped in silence."""

    pairs: list[ImagePair]
    by: str
    only_a: list[str] = field(default_factory=list)
    only_b: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The pairing as an object."""
        pairs = [{"a": each.a.name, "b": each.b.name, "prompt": each.prompt} for each in self.pairs]
        return {"by": self.by, "pairs": pairs, "only_a": self.only_a, "only_b": self.only_b}


@dataclass(frozen=True, slots=True)
class _Found:
    """An item with its path relative to its folder."""

    relative: str
    item: Item


Side = Sequence[_Found]
Matches = list[tuple[_Found, _Found]]


def pair(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    *,
    prompts: str | os.PathLike[str] | None = None,
    prompt: str | None = None,
) -> Pairing:
    """Match the images of two folders, by the first of these rules that gives pairs.

    By relative path, with the suffix and then without it, where all prompts agree; by prompt, and within one
    by the number in the name where both sides are numbered alike, else by order; by the number in the name.
    Raises `BadSource` when nothing matches.
    """
    ours, theirs = (list(_items(side, prompts, prompt)) for side in (a, b))
    other_prompts = ""
    for by, key in ((BY_PATH, _path), (BY_STEM, _stem)):
        matches, conflict = _by_key(ours, theirs, key)
        if conflict:
            other_prompts = f"; names agree, but prompts do not ({conflict})"
            break
        if matches:
            return _pairing(matches, by, ours, theirs)
    matches, by = _by_prompt(ours, theirs, numbered=not other_prompts)
    if not matches and not other_prompts:
        matches, by = _by_number(ours, theirs), BY_NUMBER
    if matches:
        return _pairing(matches, by, ours, theirs)
    advice = "give folders of the same prompts" if other_prompts else "name files alike, or give --prompts"
    raise BadSource(
        f"{a} and {b}: no image of one matches an image of the other by relative path, by prompt or by the "
        f"number in its name{other_prompts}; {advice}"
    )


def _pairing(matches: Matches, by: str, ours: Side, theirs: Side) -> Pairing:
    paired = {id(found) for match in matches for found in match}
    alone = ([found.item.name for found in side if id(found) not in paired] for side in (ours, theirs))
    return Pairing([ImagePair(one.item, other.item) for one, other in matches], by, *alone)


def _items(
    side: str | os.PathLike[str], prompts: str | os.PathLike[str] | None, prompt: str | None
) -> Iterator[_Found]:
    """The items of a folder with their paths relative to it; one that stands twice with one prompt, once."""
    seen: set[tuple[str, str]] = set()
    for found in survey([side], prompts=prompts):
        prefix = f"{found.root.label}/" if found.root.label else ""
        for item in found.items(prompt):
            if (item.name, item.prompt) not in seen:
                seen.add((item.name, item.prompt))
                yield _Found(item.name.removeprefix(prefix), item)


def _by_key(a: Side, b: Side, key: Callable[[_Found], str]) -> tuple[Matches, str]:
    """Items whose key stands on both sides, and the first two of one key whose prompts differ, in words.

    An image that has several prompts is matched prompt by prompt.
    """
    ours, theirs = _grouped(a, key), _grouped(b, key)
    matches: Matches = []
    for name in ours:
        if name not in theirs:
            continue
        found = _agreeing(ours[name], theirs[name])
        if not found:
            one, other = ours[name][0].item, theirs[name][0].item
            return [], f"{one.name}: {one.prompt[:60]!r}, {other.name}: {other.prompt[:60]!r}"
        matches += found
    return matches, ""


def _agreeing(ours: Side, theirs: Side) -> Matches:
    """Those of one key that have one prompt; an image without a prompt goes with each of the other side."""
    if len(theirs) == 1 and not theirs[0].item.prompt:
        return [(found, theirs[0]) for found in ours]
    if len(ours) == 1 and not ours[0].item.prompt:
        return [(ours[0], found) for found in theirs]
    waiting = _grouped(theirs, _prompt)
    return [(found, waiting[_prompt(found)].pop(0)) for found in ours if waiting.get(_prompt(found))]


def _by_prompt(a: Side, b: Side, *, numbered: bool) -> tuple[Matches, str]:
    """Items of one prompt, and by what they were matched within it.

    Numbers tell nothing (`numbered` is False) where files of one name have different prompts.
    """
    ours, theirs = _grouped(a, _prompt), _grouped(b, _prompt)
    matches: Matches = []
    ways: set[str] = set()
    for prompt, mine in ours.items():
        other = theirs.get(prompt, []) if prompt else []
        several = bool(other) and len(mine) + len(other) > 2
        found = _by_number(mine, other) if numbered and several else []
        matches += found or _in_order(mine, other)
        ways |= {BY_NUMBER if found else "order"} if several else set()
    return matches, " and ".join(["prompt", " or ".join(sorted(ways))] if ways else ["prompt"])


def _in_order(ours: Side, theirs: Side) -> Matches:
    """Items of one prompt: those of one path, then the others one after the other."""
    same, _ = _by_key(ours, theirs, _path)
    taken = {id(found) for match in same for found in match}
    rest = ([found for found in side if id(found) not in taken] for side in (ours, theirs))
    return [*same, *zip(*rest, strict=False)]


def _by_number(a: Side, b: Side) -> Matches:
    """Items of one number and sub-folder: that of the last digits in the name, or of the first.

    A number that two images of a side share tells nothing.
    """
    found: list[Matches] = []
    for place in (-1, 0):
        ours, theirs = _numbered(a, place), _numbered(b, place)
        both = [(ours[key], theirs[key]) for key in ours if key in theirs]
        found.append([(one, other) for one, other in both if ImagePair(one.item, other.item).one_prompt])
    return max(found, key=len)


def _numbered(side: Side, place: int) -> dict[tuple[str, int], _Found]:
    keyed: dict[tuple[str, int], list[_Found]] = defaultdict(list)
    for found in side:
        folder, _, name = _stem(found).rpartition("/")
        if digits := DIGITS.findall(name):
            keyed[folder, int(digits[place])].append(found)
    return {key: each[0] for key, each in keyed.items() if len(each) == 1}


def _grouped(side: Iterable[_Found], key: Callable[[_Found], str]) -> dict[str, list[_Found]]:
    groups: dict[str, list[_Found]] = defaultdict(list)
    for found in side:
        groups[key(found)].append(found)
    return dict(groups)


def _path(found: _Found) -> str:
    return found.relative


def _stem(found: _Found) -> str:
    return os.path.splitext(found.relative)[0]


def _prompt(found: _Found) -> str:
    return _words(found.item.prompt)


def _words(prompt: str) -> str:
    return " ".join(prompt.split())
