"""Which images are shown against each other: those of one prompt, by the names that the file of answers gives
them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rankkit.core.text import printable
from rankkit.errors import UsageError
from rankkit.io.prompts import Item, Survey
from rankkit.io.prompts.base import slug

MOST = 500  # images of one prompt: choosing a pair takes time and memory that grow with their cube


@dataclass(frozen=True, slots=True)
class Candidates:
    """The images of one prompt. `names` are their paths relative to the folder of the answers."""

    prompt: str
    group: str
    items: tuple[Item, ...]
    names: tuple[str, ...]


def candidates(
    surveys: Sequence[Survey],
    output: str | os.PathLike[str],
    prompt: str | None = None,
    say: Callable[[str], object] = lambda text: None,
) -> list[Candidates]:
    """The prompts of these images that have at least two, in the order of the images.

    Images of one prompt are one set, wherever they lie; those without a prompt are compared within the path
    that holds them. `say` is told what is left out. Raises `UsageError` where nothing is left to compare,
    where an image is no file of its own, and where one does not lie below the folder of `output`.
    """
    folder = os.path.abspath(os.path.dirname(os.fspath(output)) or ".")
    sets: dict[tuple[str, str], dict[str, Item]] = {}
    unread: list[str] = []
    for item in (item for survey in surveys for item in survey.items(prompt)):
        if why := item.error or ("" if os.path.exists(item.path) else "does not exist"):
            unread.append(f"{item.name}: {why}")
            continue
        key = (printable(item.prompt), "" if item.prompt else item.group)
        sets.setdefault(key, {}).setdefault(_name(item, folder, output), item)
    if unread:
        say(f"{len(unread)} left out, which cannot be read: {unread[0]}")
    return _several(sets, say)


def _several(sets: dict[tuple[str, str], dict[str, Item]], say: Callable[[str], object]) -> list[Candidates]:
    if not sets:
        raise UsageError(
            "no image was found; name a folder of images (rankkit prompts PATH shows what is there)"
        )
    found = [
        Candidates(text, _group(text, list(members.values())), tuple(members.values()), tuple(members))
        for (text, _), members in sets.items()
        if len(members) > 1
    ]
    alone = len(sets) - len(found)
    if not found:
        raise UsageError(
            f"each of the {alone} prompts has one image, and an image is compared with others of its prompt; "
            f"name folders with several images of a prompt (rankkit prompts PATH shows them)"
            if alone > 1
            else "there is one image, and nothing to compare it with; name a folder of several"
        )
    if nameless := sum(len(each.names) for each in found if not each.prompt):
        say(f"{nameless} images without a prompt are compared with each other, within each path")
    if alone:
        say(f"{alone} prompts have one image each, with nothing to compare it with, and are left out")
    for each in found:
        if len(each.names) > MOST:
            raise UsageError(
                f"{each.prompt[:80] or each.group!r} has {len(each.names)} images, and at most {MOST} of a "
                f"prompt can be labelled; choose among them first (rankkit select --top {MOST} --copy DIR)"
            )
    return found


def _group(prompt: str, items: Sequence[Item]) -> str:
    """The group as `rankkit score` calls it, where it is one."""
    groups = {item.group for item in items}
    return groups.pop() if len(groups) == 1 else slug(prompt)


def _name(item: Item, folder: str, output: str | os.PathLike[str]) -> str:
    if item.span or item.column or item.tile:
        raise UsageError(
            f"{item.name}: answers name image files, and this one lies inside another file; unpack it into a "
            f"folder first"
        )
    path = os.path.abspath(item.path)
    if not Path(path).is_relative_to(folder):
        raise UsageError(
            f"{item.name} does not lie below {folder}, where {os.path.basename(output)} is to stand, so its "
            f"paths could not lead there; give -o {Path(path).parent / 'labels.jsonl'}, or link the images' "
            f"folder into {folder}"
        )
    return os.path.relpath(path, folder).replace(os.sep, "/")
