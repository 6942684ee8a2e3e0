"""What an action will do, file by file, and every reason not to begin: nothing is touched here."""

from __future__ import annotations

import json
import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rankkit.choose.select.candidates import Candidate
from rankkit.choose.select.image_files import ImageFiles
from rankkit.choose.select.rule import Chosen, Selection
from rankkit.core.images import fingerprint, suffix_of
from rankkit.core.prefetch import prefetch
from rankkit.core.text import first_few, plain, printable, shell_word
from rankkit.errors import RankkitError, UsageError
from rankkit.io.prompts.base import Item, is_image
from rankkit.io.prompts.layouts.selections import MARKER, METADATA

Action = Literal["copy", "link", "move"]
_Place = tuple[str, str]
ROOM = 2**20  # bytes beyond the images: for the metadata, and so that the disk is not left without any


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a plan: from where (`source`, and `item` where that is an archive) to which name below the
    target, with forward slashes.
    """

    source: str
    file: str
    size: int
    item: Item | None = None
    member: str = ""


@dataclass(frozen=True)
class Plan:
    """What to do with a folder: `entries`, and the lines of its metadata file. `replaces` says that it holds
    an earlier selection, which goes first.
    """

    action: Action
    target: Path
    entries: Sequence[Entry]
    records: Sequence[dict[str, Any]] = field(repr=False)
    replaces: bool = False

    @property
    def size(self) -> int:
        """Bytes of all the images."""
        return sum(entry.size for entry in self.entries)

    @property
    def metadata(self) -> str:
        """The text of the metadata file, which rankkit and the datasets library read as imagefolder."""
        return "".join(json.dumps(plain(record), ensure_ascii=False) + "\n" for record in self.records)


def plan(selection: Selection, action: Action, target: Path, image_files: ImageFiles) -> Plan:
    """Plan to copy, link or move what was chosen into a folder; paths below the common folder are kept.

    Raises `RankkitError` that names the images which are gone or cannot be linked or moved, names that would
    collide, a target that is not ours to fill, and a disk without room.
    """
    chosen = selection.chosen
    check_images([each.candidate for each in chosen], image_files)
    replaces = _check_target(target, action)
    places = (_place(each, image_files) for part in selection.pool.parts.values() for each in part)
    common = _common_folder(place for place in places if place is not None)
    entries: dict[_Place, Entry] = {}
    records = []
    for each in chosen:
        place = _place(each.candidate, image_files)
        assert place is not None, "what is missing was refused"
        if place not in entries:
            entries[place] = _entry(place, common, image_files)
        records.append(_record(each, entries[place].file))
    found = Plan(action, target, list(entries.values()), records, replaces)
    _check_entries(found)
    _check_room(found)
    return found


def check_images(candidates: Sequence[Candidate], image_files: ImageFiles) -> None:
    """Raise `RankkitError` with the names of images that are gone, or changed after they were scored."""
    gone, others = [], []
    for candidate, data in prefetch(candidates, image_files.read):
        if isinstance(data, str):
            gone.append(candidate)
        elif candidate.digests - {fingerprint(data)}:
            others.append(candidate)
    if gone:
        raise RankkitError(
            f"{_several(gone)} of the chosen cannot be read; run this where the images were scored, or score "
            f"again, which leaves out what is gone"
        )
    if others:
        raise RankkitError(f"{_several(others)} of the chosen changed after it was scored; score again")


def _place(candidate: Candidate, image_files: ImageFiles) -> _Place | None:
    """The file that holds an image, and the image's name in it where that is an archive."""
    if candidate.path is not None:
        return os.path.abspath(candidate.path), ""
    held = image_files.holder(candidate)
    return (os.path.abspath(held[0]), held[1]) if held else None


def _entry(place: _Place, common: list[str], image_files: ImageFiles) -> Entry:
    source, member = place
    file = printable("/".join(_parts(place)[len(common) :]))
    if not member:
        return Entry(source, file, os.path.getsize(source))
    item = image_files.inside(source, member)
    assert item is not None, "what is missing was refused"
    data = item.read()
    if isinstance(data, str):
        raise RankkitError(f"{source}: {member} {data}")
    file = re.sub(r"^(.*?)(\.\w+)( \(\d+\))$", r"\1\3\2", file)  # a name that stands twice in an archive
    file = file if is_image(file) else file + suffix_of(data)
    return Entry(source, file, len(data), item, member)


def _record(chosen: Chosen, file: str) -> dict[str, Any]:
    candidate = chosen.candidate
    prompt = {"prompt": candidate.prompt} if candidate.prompt else {}
    place = {"score": candidate.score, "rank": chosen.rank, "of": chosen.of}
    return {"file_name": file, **prompt, **place, "scores": candidate.scores, "source": candidate.image}


def _parts(place: _Place) -> list[str]:
    """The path of an image in pieces, of which the first is that of the drive, without a colon."""
    first, *rest = Path(os.path.normpath(os.path.join(*place) if place[1] else place[0])).parts
    return [re.sub(r"[:\\/]", "", first), *rest]


def _common_folder(places: Iterable[_Place]) -> list[str]:
    """The folder below which all images of the rows lie, so that it does not depend on what was chosen."""
    common: list[str] = []
    for level in zip(*(_parts(place)[:-1] for place in places), strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    return common


def _check_target(target: Path, action: Action) -> bool:
    """Whether the target holds an earlier selection that may be replaced."""
    if not os.path.lexists(target):
        return False
    if not target.is_dir():
        raise UsageError(f"{target}: is no folder; give another --{action}")
    if not any(target.iterdir()):
        return False
    if not (target / MARKER).is_file():
        raise UsageError(f"{target}: is not empty, and no selection of ours; give another --{action}")
    moved = json.loads((target / MARKER).read_text("utf-8").splitlines()[0]).get("action") == "move"
    if moved or action == "move":
        raise UsageError(
            f"{target}: holds an earlier selection; rankkit select --undo {shell_word(target)} takes it back "
            f"first"
        )
    return True


def _check_entries(found: Plan) -> None:
    """Refuse what cannot be moved or linked, sources in the target, and names equal but for their case."""
    target = os.path.realpath(found.target)
    names: dict[str, str] = {METADATA: METADATA, MARKER: MARKER}
    for entry in found.entries:
        if os.path.realpath(entry.source).startswith(target + os.sep):
            raise UsageError(f"{entry.source}: lies in {found.target} itself; give another --{found.action}")
        if entry.item is not None and found.action != "copy":
            raise UsageError(f"{entry.member}: lies in {entry.source}, and can only be copied; give --copy")
        if found.action == "move" and os.path.islink(entry.source):
            raise UsageError(f"{entry.source}: is a link, which would break; give --copy or --link")
        folded = unicodedata.normalize("NFC", entry.file).casefold()
        if folded in names:
            raise UsageError(
                f"{entry.file} and {names[folded]} would be one file where case does not count; choose from "
                f"each of them into a folder of its own"
            )
        names[folded] = entry.file


def _check_room(found: Plan) -> None:
    """Refuse a disk that has no room for the images; links and moves on one disk need none."""
    above = existing(found.target)
    device = above.stat().st_dev
    need = sum(
        entry.size
        for entry in found.entries
        if found.action == "copy" or (found.action == "move" and os.stat(entry.source).st_dev != device)
    )
    free = shutil.disk_usage(above).free
    if need and need + ROOM > free:
        raise RankkitError(
            f"{found.target}: needs {megabytes(need)}, and {megabytes(free)} are free; make room, choose "
            f"fewer, or give --link"
        )
    if not os.access(above, os.W_OK | os.X_OK):
        raise RankkitError(f"{above}: may not be written to; give another --{found.action}")


def existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())


def megabytes(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / 1e6:,.1f} MB"


def _several(candidates: Sequence[Candidate]) -> str:
    names = first_few([each.image for each in candidates])
    return f"{len(candidates)} ({names})" if len(candidates) > 1 else names
