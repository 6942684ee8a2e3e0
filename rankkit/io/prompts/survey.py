"""Which images the user's paths hold, and which source gives their prompts: the sources are tried in the
order of `SOURCES`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rankkit.errors import UsageError
from rankkit.io.prompts import (
    geneval,
    imagefolder,
    json_map,
    manifest,
    parallel_text,
    prompt_txt,
    sidecar,
    webdataset,
)
from rankkit.io.prompts.base import Item, Root, is_image
from rankkit.io.prompts.embedded import source as embedded

MANIFESTS = (".jsonl", ".csv", ".parquet", ".json")

Find = Callable[[Root], Callable[[], Iterator[Item]] | None]

SOURCES: tuple[tuple[str, Find], ...] = (
    ("the manifest", manifest.find),
    ("metadata files (imagefolder)", imagefolder.find),
    ("GenEval folders", geneval.find),
    ("one prompt.txt per folder", prompt_txt.find),
    ("text files beside the images", sidecar.find),
    ("a webdataset archive", webdataset.find),
    ("a parallel folder of text files", parallel_text.find),
    ("a JSON map of files to prompts", json_map.find),
    ("the prompts inside the image files", embedded.find),
)


@dataclass(frozen=True)
class Survey:
    """What was found at one root: the `source` of prompts, in words or empty, and the items, which are listed
    anew every time.
    """

    root: Root
    source: str
    found: Callable[[], Iterator[Item]]

    def items(self, prompt: str | None = None) -> Iterator[Item]:
        """The items; those without a prompt get the given one."""
        for item in self.found():
            if prompt and not item.prompt:
                group = self.root.group(prompt) if item.group == self.root.group("") else item.group
                item = replace(item, group=group, prompt=prompt, filled=True)
            yield item


def survey(
    paths: Sequence[str | os.PathLike[str]], *, prompts: str | os.PathLike[str] | None = None
) -> list[Survey]:
    """Look at each path and choose the first source that gives prompts there; `prompts` is a manifest that
    goes before all others.

    Single image files form one root together. Raises `UsageError` for a path that does not exist or is
    nothing we can read.
    """
    return [_choose(root) for root in _roots(paths, None if prompts is None else Path(prompts))]


def _choose(root: Root) -> Survey:
    for name, find in SOURCES:
        items = find(root)
        if items is not None:
            return Survey(root, name, items)
    return Survey(root, "", lambda: (root.item(entry) for entry in root.walk()))


def _roots(paths: Sequence[str | os.PathLike[str]], prompts: Path | None) -> Iterator[Root]:
    if prompts is not None and not prompts.exists():
        raise UsageError(f"{prompts}: no such file or folder of prompts")
    singles = []
    for typed in [os.fspath(path) for path in paths]:
        path = Path(typed)
        label = os.path.normpath(typed).replace(os.sep, "/")
        label = "" if label == "." else label
        if path.is_dir():
            yield Root(path, label, manifest=prompts)
        elif not os.path.lexists(path):
            raise UsageError(f"{typed}: no such file or folder")
        elif path.suffix.lower() == ".tar":
            yield Root(path, label)
        elif path.suffix.lower() in MANIFESTS:
            yield Root(path.parent, os.path.dirname(label), manifest=path, manifest_only=True)
        elif is_image(typed):
            singles.append(label)
        else:
            raise UsageError(
                f"{typed}: not a folder, an image, a .tar or a manifest ({', '.join(MANIFESTS)})"
            )
    if singles:
        yield Root(Path("."), files=tuple(dict.fromkeys(singles)), manifest=prompts)
