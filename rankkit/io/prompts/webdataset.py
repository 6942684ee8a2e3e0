"""A webdataset archive: an uncompressed .tar of ``key.jpg`` with ``key.txt`` or ``key.json``.

Images are read in place, not unpacked.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rankkit.io.prompts.base import Answer, Place, Root, Source, is_image
from rankkit.io.prompts.reading.columns import answer_of
from rankkit.io.prompts.reading.texts import answer_in_bytes
from rankkit.io.tables import too_deep

NAME = "a webdataset archive"
TEXTS = (".txt", ".caption", ".json")
TEXT_LIMIT = 2**20
BROKEN = "the archive breaks off or is not an uncompressed .tar"


def find(root: Root) -> Source | None:
    """The images of an archive, or of all the archives below a folder."""
    if root.path.is_file() and root.path.suffix.lower() == ".tar":
        return Source(NAME, lists=lambda: _samples(root.path, ""))
    archives = root.files_below(lambda name: name.lower().endswith(".tar"))
    if root.files or root.manifest_only or not archives:
        return None
    return Source(
        NAME, lists=lambda: (each for path in archives for each in _samples(path, root.relative(path) + "/"))
    )


@dataclass
class Archive:
    """What the headers of an archive tell: its images in order, its texts by stem, where it breaks off."""

    images: list[tuple[str, tuple[int, int]]] = field(default_factory=list)
    texts: dict[str, dict[str, tuple[int, int]]] = field(default_factory=lambda: defaultdict(dict))
    error: str | None = None


def _samples(path: Path, prefix: str) -> Iterator[tuple[Place, Answer]]:
    archive = read_headers(path)
    seen: Counter[str] = Counter()
    with open(path, "rb") as file:

        def text(span: tuple[int, int]) -> bytes:
            file.seek(span[0])
            return file.read(span[1])

        for member, span in archive.images:
            answer = _answer({kind: text(each) for kind, each in _texts_of(archive, member).items()})
            seen[member] += 1
            again = f" ({seen[member]})" if seen[member] > 1 else ""
            yield Place(f"{prefix}{member}{again}", path=os.fspath(path), span=span), answer
    if archive.error:
        yield Place(prefix.rstrip("/") or ".", archive.error), Answer()


def _texts_of(archive: Archive, member: str) -> dict[str, tuple[int, int]]:
    """The texts of a sample: of the image's own name without its suffix, else of what stands before the first
    dot, as the format has it.
    """
    folder, slash, name = member.rpartition("/")
    for stem in (os.path.splitext(name)[0], name, name.partition(".")[0]):
        if found := archive.texts.get(folder + slash + stem):
            return found
    return {}


def _answer(texts: dict[str, bytes]) -> Answer:
    answers = [answer_in_bytes(kind, data) for kind, data in texts.items() if kind != ".json"]
    record = None
    if ".json" in texts:
        try:
            record = json.loads(texts[".json"])
        except (ValueError, RecursionError):
            answers.append(Answer(why="its .json is not JSON that can be read"))
    if isinstance(record, dict) and not too_deep(record):
        answers.append(answer_of(record))
    elif record is not None:
        answers.append(Answer(why="its .json is no object, or nested too deeply"))
    best = next((answer for answer in answers if answer.texts), answers[0] if answers else Answer())
    metadata = {key: value for answer in answers for key, value in answer.metadata.items()}
    return Answer(best.texts, best.why, metadata, syntax=best.syntax)


def read_headers(path: Path) -> Archive:
    """All headers of an archive, one joined from several included; `error` where it is damaged or cut off."""
    found = Archive()
    size = os.path.getsize(path)
    ended = False
    try:
        with tarfile.open(path, "r:") as archive:
            archive.offset = 0
            while archive.offset < size:
                archive.fileobj.seek(archive.offset)
                try:
                    member = tarfile.TarInfo.fromtarfile(archive)
                except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the end, or padding before more
                    ended = True
                    archive.offset += tarfile.BLOCKSIZE
                    continue
                ended = False
                if archive.offset > size + tarfile.BLOCKSIZE:
                    found.error = f"{BROKEN}: {member.name} is cut off"
                _put(found, member, size)
    except (tarfile.TarError, OSError, ValueError) as error:
        found.error = f"{BROKEN}: {error}"
        return found
    if not ended:
        found.error = found.error or f"{BROKEN}: it has no end mark, so a part may be missing"
    return found


def _put(found: Archive, member: tarfile.TarInfo, size: int) -> None:
    name = member.name.removeprefix("./")
    base = name.rpartition("/")[2]
    if not member.isreg() or base.startswith(".") or "__MACOSX" in name:
        return
    span = (member.offset_data, member.size)
    stem, suffix = os.path.splitext(name)
    if is_image(base):
        found.images.append((name, span))
    elif suffix.lower() in TEXTS and member.size <= TEXT_LIMIT and sum(span) <= size:
        found.texts[stem].setdefault(suffix.lower(), span)
