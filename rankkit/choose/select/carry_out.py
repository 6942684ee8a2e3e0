"""A plan done: images copied, linked or moved, with a marker that says so before the first one is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rankkit.choose.select.plan import Entry, Plan
from rankkit.choose.select.undo import copy, move, undo, undoing
from rankkit.core.text import shell_word
from rankkit.errors import RankkitError
from rankkit.io.atomic import replacing_file, write_whole
from rankkit.io.prompts.layouts.selections import MARKER, METADATA


def carry_out(plan: Plan, advance: Callable[[int], object] = lambda count: None) -> None:
    """Do what was planned; `advance` is called with 1 for each image.

    The marker stands before the first image does, so that whatever stops this can be taken back. Raises
    `RankkitError` where an earlier selection was changed since, and where the disk fails.
    """
    if plan.replaces and (kept := undoing(plan.target).kept):
        file, reason = kept[0]
        raise RankkitError(
            f"{plan.target}: the selection there was changed since: {file} {reason}; give another folder"
        )
    done = 0
    try:
        made = [*_earlier(plan), *_made(plan.target)]
        plan.target.mkdir(parents=True, exist_ok=True)
        write_whole(plan.target / MARKER, _marker(plan, made))
        for entry in plan.entries:
            _put(plan, entry)
            done += 1
            advance(1)
        write_whole(plan.target / METADATA, plan.metadata)
    except OSError as error:
        raise RankkitError(
            f"{error.filename or plan.target}: {error.strerror or error}; {done} of {len(plan.entries)} "
            f"images are done, and rankkit select --undo {shell_word(plan.target)} takes them back"
        ) from None


def _earlier(plan: Plan) -> list[str]:
    """Take the earlier selection back, if there is one; the folders that were made for it."""
    return list(undo(plan.target, keep_folder=True).header.get("made", [])) if plan.replaces else []


def _made(target: Path) -> list[str]:
    """The folders that are to be made for the target, itself included, the outermost first."""
    chain = [target.absolute(), *target.absolute().parents]
    return [str(folder) for folder in reversed(chain) if not folder.exists()]


def _marker(plan: Plan, made: list[str]) -> str:
    """What is going to be done: the action and the folders made, then a line per file."""
    digest = hashlib.sha256(plan.metadata.encode()).hexdigest()
    lines: list[dict[str, Any]] = [{"rankkit_selection": 1, "action": plan.action, "made": made}]
    lines.append({"file": METADATA, "sha256": digest})
    for entry in plan.entries:
        inside = {"member": entry.member} if entry.item is not None else {}
        lines.append({"file": entry.file, "from": entry.source, **inside})
    return "".join(json.dumps(line) + "\n" for line in lines)


def _put(plan: Plan, entry: Entry) -> None:
    target = plan.target / entry.file
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        raise FileExistsError(None, "has come to be there meanwhile", str(target))
    if entry.item is not None:
        _write_out(entry, target)
    elif plan.action == "copy":
        copy(entry.source, target)
    elif plan.action == "link":
        _link(entry.source, target)
    else:
        move(Path(entry.source), target)


def _write_out(entry: Entry, target: Path) -> None:
    assert entry.item is not None
    data = entry.item.read()
    if isinstance(data, str):
        raise OSError(None, data, entry.member)
    with replacing_file(target) as part:
        part.write_bytes(data)


def _link(source: str, target: Path) -> None:
    """A hard link, or a symbolic one where the file system has none or the image lies on another."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        os.symlink(source, target)
