"""A selection taken back by its marker: moved images return, copies and links that are unchanged go."""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rankkit.choose.select.image_files import ImageFiles
from rankkit.errors import RankkitError, UsageError
from rankkit.io.atomic import replacing_file, write_whole
from rankkit.io.prompts.layouts.selections import MARKER

Step = Literal["remove", "return", "nothing"]


@dataclass
class Undoing:
    """What undoing a selection does: files to `remove` and to `return` to where they came from.

    `kept` are those that stay, each with the reason: they were changed, or are the last of their kind.
    """

    target: Path
    header: dict[str, Any]
    remove: list[str] = field(default_factory=list)
    back: list[tuple[str, str]] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)


def undoing(target: Path) -> Undoing:
    """Look at what a selection's marker lists; nothing is touched. Raises `UsageError` for another folder."""
    header, lines = _read_marker(target)
    found = Undoing(target, header, lines={line["file"]: line for line in lines})
    image_files = ImageFiles()
    for line in lines:
        file = line["file"]
        step, reason = _step(target / file, line, header["action"], image_files)
        if reason:
            found.kept.append((file, reason))
        elif step == "remove":
            found.remove.append(file)
        elif step == "return":
            found.back.append((file, line["from"]))
    return found


def undo(target: Path, *, keep_folder: bool = False) -> Undoing:
    """Take a selection back; what was changed since is kept, and so is the marker that lists it.

    Raises `UsageError` for a folder that is no selection, `RankkitError` where the disk fails.
    """
    found = undoing(target)
    try:
        for file, source in found.back:
            Path(source).parent.mkdir(parents=True, exist_ok=True)
            move(target / file, Path(source))
        for file in found.remove:
            (target / file).unlink()
        for file in found.lines:
            part = target / file
            part.with_name(f".{part.name}.part").unlink(missing_ok=True)
        if found.kept:
            lines = [found.header, *(found.lines[file] for file, _ in found.kept)]
            write_whole(target / MARKER, "".join(json.dumps(line) + "\n" for line in lines))
        else:
            (target / MARKER).unlink()
        _remove_folders(found, keep_folder)
    except OSError as error:
        raise RankkitError(
            f"{error.filename or target}: {error.strerror or error}; the same command goes on from there"
        ) from None
    return found


def move(source: Path, target: Path) -> None:
    """Rename, or copy and remove where the two are on different file systems: the target is there whole."""
    try:
        os.rename(source, target)
    except OSError:
        copy(source, target)
        source.unlink()


def copy(source: str | Path, target: Path) -> None:
    """Copy a file with its times: the target is there whole, or not at all."""
    with replacing_file(target) as part:
        shutil.copy2(source, part)


def _step(path: Path, line: dict[str, Any], action: str, image_files: ImageFiles) -> tuple[Step, str]:
    """What is to be done with one file, or the reason why it is kept."""
    if not os.path.lexists(path):
        return "nothing", ""
    if "sha256" in line:
        same = hashlib.sha256(path.read_bytes()).hexdigest() == line["sha256"]
        return "remove", "" if same else "was changed since"
    source = line["from"]
    if action == "move":
        if not os.path.lexists(source):
            return "return", ""
        return "remove", "" if _equal(source, path) else f"is not put back: {source} is another file now"
    if not os.path.exists(source):
        return "remove", f"is kept: {source}, which it was made from, is gone"
    if "member" in line:
        item = image_files.inside(source, line["member"])
        return "remove", "" if item is not None and item.read() == path.read_bytes() else _CHANGED
    if _inside(source, path):
        return "remove", f"is kept: {source} leads here now"
    if action == "link":
        return "remove", "" if path.exists() and os.path.samefile(
            source, path
        ) else "is no link to it any more"
    return "remove", "" if _equal(source, path) else _CHANGED


_CHANGED = "differs from what it was made from: one of them was changed since"


def _inside(source: str, path: Path) -> bool:
    """Whether what stands at the source is a link to the very file in the selection."""
    return os.path.realpath(source) == os.path.join(os.path.realpath(path.parent), path.name)


def _equal(source: str, path: Path) -> bool:
    """Whether two files of their own hold the same bytes."""
    if path.is_symlink() or not path.is_file() or not os.path.isfile(source) or _inside(source, path):
        return False
    return filecmp.cmp(source, path, shallow=False)


def _remove_folders(found: Undoing, keep_folder: bool) -> None:
    """Remove the folders that the selection made and that are empty now, the innermost first."""
    target = found.target
    inside = {parent for file in found.lines for parent in Path(file).parents if parent != Path()}
    for folder in sorted(inside, key=lambda each: -len(each.parts)):
        with suppress(OSError):
            (target / folder).rmdir()
    own = [target.absolute(), *target.absolute().parents]
    for made in [] if keep_folder else reversed(found.header.get("made", [])):
        if Path(made) in own:
            with suppress(OSError):
                Path(made).rmdir()


def _read_marker(target: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    path = target / MARKER
    if not path.is_file():
        raise UsageError(
            f"{target}: is no selection of rankkit's (there is no {MARKER} in it); ratings are taken back by "
            f"--xmp --undo"
        )
    try:
        header, *lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        if header["rankkit_selection"] != 1 or header["action"] not in ("copy", "link", "move"):
            raise ValueError
        if not all(_is_below(line["file"]) and ("sha256" in line or "from" in line) for line in lines):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise RankkitError(f"{path}: cannot be read as what a selection did; nothing is touched") from None
    return header, lines


def _is_below(file: str) -> bool:
    """Whether a name of a marker stays in its folder, whoever wrote the marker."""
    return not Path(file).is_absolute() and ".." not in Path(file).parts
