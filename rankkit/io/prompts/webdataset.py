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

from rankkit.io.prompts.base import JUNK, Answer, Place, Root, Source, is_image
from rankkit.io.prompts.reading.columns import answer_of
from rankkit.io.prompts.reading.texts import answer_in_bytes
from rankkit.io.tables import too_deep

NAME = "a webdataset archive"
TEXTS = (".txt", ".caption", ".json")
TEXT_LIMIT = 2**20
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip", ".7z", ".rar")
BROKEN = "the archive breaks off or is not an uncompressed .tar"


def find(root: Root) -> Source | None:
    """The images of an archive, or of all the archives below a folder."""
    if root.path.is_file() and root.path.suffix.lower() == ".tar":
        return in_archives(root, [root.path])
    if root.files or root.manifest_only:
        return None
    archives = root.files_below(lambda name: name.lower().endswith(".tar"))
    packed = root.files_below(lambda name: name.lower().endswith(PACKED))
    notes = tuple(f"{path} is not read: it is a compressed archive; unpack it" for path in packed)
    return in_archives(root, archives, notes) if archives or notes else None


def in_archives(root: Root, archives: list[Path], notes: tuple[str, ...] = ()) -> Source:
    """The images of these archives at or below a root."""

    def samples() -> Iterator[tuple[Place, Answer]]:
        for path in archives:
            relative = root.relative(path)
            yield from _samples(path, f"{relative}/" if relative else "")

    return Source(NAME, lists=samples, notes=notes)


Span = tuple[int, int]


@dataclass
class Archive:
    """What the headers of an archive tell: its images in order, its texts by stem and suffix, where it breaks
    off. Members of one name stand behind each other; `spans` has the last one, which links mean.
    """

    images: list[tuple[str, Span, str | None]] = field(default_factory=list)
    texts: dict[str, dict[str, list[Span]]] = field(default_factory=lambda: defaultdict(dict))
    spans: dict[str, Span] = field(default_factory=dict)
    error: str | None = None


def _samples(path: Path, prefix: str) -> Iterator[tuple[Place, Answer]]:
    archive = read_headers(path)
    times = Counter(member for member, _, _ in archive.images)
    seen: Counter[str] = Counter()
    with open(path, "rb") as file:

        def text(span: Span) -> bytes:
            file.seek(span[0])
            return file.read(span[1])

        for member, span, error in archive.images:
            texts = _texts_of(archive, member)
            which = seen[member]
            seen[member] += 1
            if all(len(spans) == times[member] for spans in texts.values()):
                answer = _answer({kind: text(spans[which]) for kind, spans in texts.items()})
            else:
                answer = Answer(why="its name has another number of texts than of images")
            again = f" ({which + 1})" if which else ""
            yield Place(f"{prefix}{member}{again}", error, path=os.fspath(path), span=span), answer
    if archive.error:
        yield Place(prefix.rstrip("/") or ".", archive.error), Answer()


def _texts_of(archive: Archive, member: str) -> dict[str, list[Span]]:
    """The texts of a sample: of the image's own name without its suffix, else of what stands before the first
    dot, as the format has it.
    """
    folder, slash, name = member.rpartition("/")
    for stem in (os.path.splitext(name)[0], name, name.partition(".")[0]):
        if found := archive.texts.get(folder + slash + stem):
            return found
    return {}


def _answer(texts: dict[str, bytes]) -> Answer:
    answers = [
        Answer(why=f"its {kind} is longer than {TEXT_LIMIT} bytes")
        if len(data) > TEXT_LIMIT
        else answer_in_bytes(f"its {kind}", data)
        for kind, data in texts.items()
        if kind != ".json" or len(data) > TEXT_LIMIT
    ]
    record = None
    if len(texts.get(".json", b"")) in range(1, TEXT_LIMIT + 1):
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
    others = dict.fromkeys(text for answer in answers for text in answer.texts if text not in best.texts)
    beside = tuple(("another text of its sample", text) for text in others)
    return Answer(best.texts, best.why, metadata, syntax=best.syntax, beside=beside)


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
    *folders, base = name.split("/")
    span: Span = (member.offset_data, member.size)
    error = None
    if member.islnk() or member.issym():
        target = member.linkname if member.islnk() else os.path.join(*folders, member.linkname)
        linked = found.spans.get(os.path.normpath(target))
        span, error = (
            linked or (0, 0),
            None if linked else f"is a link to {member.linkname}, which is not there",
        )
    elif not member.isreg():
        return
    if base.startswith(".") or not JUNK.isdisjoint(folders):
        return
    if member.issparse():
        error = "is stored sparsely, which is not read; write the archive without --sparse"
    found.spans[os.path.normpath(name)] = span
    stem, suffix = os.path.splitext(name)
    if is_image(base):
        found.images.append((name, span, error))
    elif suffix.lower() in TEXTS and not error and sum(span) <= size:
        short = (span[0], min(span[1], TEXT_LIMIT + 1))
        found.texts[stem].setdefault(suffix.lower(), []).append(short)
