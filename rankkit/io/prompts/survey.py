"""Which images the user's paths hold, and what each one's prompt is: the sources are asked in the order of
`SOURCES`, image by image, until one gives a prompt.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rankkit.errors import UsageError
from rankkit.io.prompts import geneval, imagefolder, json_map, manifest, parquet, sidecar, webdataset
from rankkit.io.prompts.base import FILLED, Answer, Item, Place, Root, Source, is_image
from rankkit.io.prompts.embedded import source as embedded
from rankkit.io.prompts.layouts import compbench, fooocus_log, hps, parallel_text, prompt_txt, selections
from rankkit.io.prompts.reading.texts import Captions, chosen
from rankkit.io.prompts.syntax import plain_words
from rankkit.io.prompts.tiles import tile_name
from rankkit.io.tables import READERS

MANIFESTS = tuple(READERS)

SOURCES: tuple[Callable[[Root], Source | None], ...] = (
    selections.find,
    parquet.find,
    manifest.find,
    imagefolder.find,
    geneval.find,
    hps.find,
    compbench.find,
    sidecar.find,
    fooocus_log.find,
    prompt_txt.find,
    webdataset.find,
    parallel_text.find,
    json_map.find,
    embedded.find,
)

Answers = Iterator[tuple[str, Answer]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of the prompt of one image: `why` there is none, and prompts of `others`, which are not
    used, by source. `raw_prompt` is the prompt as its source has it, where it is more than plain words.
    """

    image: str
    prompt: str = ""
    raw_prompt: str = ""
    source: str = ""
    group: str = ""
    why: str = ""
    others: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Survey:
    """The images of one root and their prompts, which are found anew every time.

    `captions` says which of several captions of an image is its prompt; with `raw`, prompts that were written
    for a generator keep its syntax; with a `grid`, of columns and rows, every file holds so many images.
    `notes` says what the user should know of how the sources are read.
    """

    root: Root
    sources: tuple[Source, ...]
    captions: Captions = "first"
    raw: bool = False
    grid: tuple[int, int] = (1, 1)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of the sources, each once."""
        return tuple(dict.fromkeys(note for source in self.sources for note in source.notes))

    def items(self, prompt: str | None = None) -> Iterator[Item]:
        """The images, each with its prompt; those for which no source has one get the given one."""
        for place, answers in self.answers():
            yield from self.items_of(place, answers, prompt)

    def findings(self, prompt: str | None = None) -> Iterator[Finding]:
        """The same, with what every source knows of each image, and with what is not to be scored."""
        listed = self._listed()
        for place, answers in self.answers():
            known = list(answers)
            key, asked = 0 if place.span else hash(self.root.locate(place)), dict(known)
            also = [(name, found[key]) for name, found in listed if key in found and name not in asked]
            for source, answer in known:
                if answer.skip:
                    yield Finding(self.root.name(place), why=f"{answer.skip} ({source}): it is not scored")
            for item in self.items_of(place, iter(known), prompt):
                others = [
                    (source, self._words(answer, text))
                    for source, answer in (*known, *also)
                    for text in answer.texts
                    if item.prompt != self._words(answer, text)
                ]
                beside = [(f"{name}, {file}", text) for name, each in known for file, text in each.beside]
                named = item.name, item.prompt, item.written, item.source, item.group
                yield Finding(*named, item.error or item.why, (*others, *beside))

    def _listed(self) -> list[tuple[str, dict[int, Answer]]]:
        """What several sources that list images say of them, by the hash of where they lie."""
        lists = [(source.name, source.lists) for source in self.sources if source.lists]
        return [
            (name, {hash(self.root.locate(place)): answer for place, answer in found() if not place.span})
            for name, found in (lists if len(lists) > 1 else ())
        ]

    def _words(self, answer: Answer, text: str) -> str:
        return plain_words(text) if answer.syntax and not self.raw else text.strip()

    def answers(self) -> Iterator[tuple[Place, Answers]]:
        """Each image with what the sources know of it, the first in the order of trying first."""
        listed: set[int] = set()
        for source in self.sources:
            here: set[int] = set()
            for place, answer in source.lists() if source.lists else ():
                key = hash(self.root.locate(place))
                if key not in listed or place.span:
                    here.add(key)
                    yield place, self._asked(place, source, answer)
            listed |= here
        for place in self.root.walk() if not self.root.manifest_only else ():
            if hash(self.root.locate(place)) not in listed:
                yield place, self._asked(place)

    def _asked(self, place: Place, lister: Source | None = None, answer: Answer | None = None) -> Answers:
        for source in self.sources:
            if source is lister:
                found = answer
            else:
                plain_file = not place.error and not place.span
                found = source.knows(place) if source.knows and plain_file else None
            if found is not None:
                yield source.name, found

    def items_of(self, place: Place, answers: Answers, prompt: str | None = None) -> Iterator[Item]:
        """The image with its prompt, or once with each of its captions; none for what is not to be scored."""
        answer, source = _joined(answers)
        if answer.skip:
            return
        for text in chosen(answer.texts, self.captions, place.relative) or [""]:
            words = self._words(answer, text)
            filled = bool(prompt) and not words
            words = words or prompt or ""
            item = Item(
                self.root.locate(place),
                self.root.name(place),
                self.root.group(words) if answer.group is None else self.root.below(answer.group),
                words,
                answer.metadata,
                place.span,
                place.error or answer.error,
                place.column,
                FILLED if filled else source if words else "",
                written=text if text.strip() != words and not filled else "",
                why="" if words else answer.why,
                captions=len(answer.texts),
            )
            yield from self._tiles(item) if self.grid != (1, 1) and not item.error else [item]

    def _tiles(self, item: Item) -> Iterator[Item]:
        columns, rows = self.grid
        for number in range(columns * rows):
            tile = number, columns, rows
            yield replace(item, name=tile_name(item.name, tile), tile=tile)


def _joined(answers: Iterable[tuple[str, Answer]]) -> tuple[Answer, str]:
    """What is known of an image: the first prompt that a source gives, and the metadata, group and reasons of
    the sources before it.
    """
    metadata: dict[str, Any] = {}
    group, whys = None, []
    for source, answer in answers:
        metadata = {**answer.metadata, **metadata}
        group = group or answer.group
        if answer.texts or answer.error or answer.skip:
            return replace(answer, why="", metadata=metadata, group=group), source
        whys += [f"{source}: {answer.why}"] if answer.why else []
    return Answer((), "; ".join(whys), metadata, group), ""


def survey(
    paths: Sequence[str | os.PathLike[str]],
    *,
    prompts: str | os.PathLike[str] | None = None,
    captions: Captions = "first",
    raw: bool = False,
    grid: tuple[int, int] = (1, 1),
) -> list[Survey]:
    """Look at each path, and at the sources of prompts there; `prompts` is a manifest, a text file with a
    prompt per line or a folder of text files, which goes before all others.

    Single image files form one root together. Raises `UsageError` for a path that does not exist or is
    nothing we can read, and for prompts that cannot be used with it.
    """
    return [
        Survey(
            root, tuple(found for find in SOURCES if (found := find(root)) is not None), captions, raw, grid
        )
        for root in _roots(paths, None if prompts is None else Path(prompts))
    ]


def _roots(paths: Sequence[str | os.PathLike[str]], prompts: Path | None) -> Iterator[Root]:
    if prompts is not None and not prompts.exists():
        raise UsageError(f"{prompts}: no such file or folder of prompts")
    singles = []
    for typed in [os.fspath(path) for path in paths]:
        if not typed:
            raise UsageError("a path is empty (a variable that is not set?); for this folder give .")
        path = Path(typed)
        label = os.path.normpath(typed).replace(os.sep, "/")
        label = "" if label == "." else label
        suffix = path.suffix.lower()
        if path.is_dir():
            yield Root(path, label, manifest=prompts)
        elif not os.path.lexists(path):
            if "://" in typed:
                raise UsageError(
                    f"{typed}: shards at URLs are scored by rankkit score --engine ray -o FOLDER/; images "
                    f"elsewhere are copied here first"
                )
            raise UsageError(f"{typed}: no such file or folder")
        elif suffix == ".tar" or suffix in MANIFESTS:
            if prompts is not None:
                raise UsageError(
                    f"{typed} holds its own prompts, and --prompts {prompts} would not be used; leave one out"
                )
            if suffix == ".tar":
                yield Root(path, label)
            else:
                yield Root(path.parent, os.path.dirname(label), manifest=path, manifest_only=True)
        elif is_image(typed):
            singles.append(label)
        else:
            raise UsageError(
                f"{typed}: not a folder, an image, a .tar or a manifest ({', '.join(MANIFESTS)})"
                f"{'; unpack it' if typed.lower().endswith(webdataset.PACKED) else ''}"
            )
    if singles:
        yield Root(Path("."), files=tuple(dict.fromkeys(singles)), manifest=prompts)
