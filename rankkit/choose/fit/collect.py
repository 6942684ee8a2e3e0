"""Images to features: each image once, decoded only where something is not known of it yet.

What was computed before is kept in one file beside what was fitted, ``features.safetensors``: the features of
the images of the last fit and no others, so it never grows beyond what its labels name. One that cannot be
read counts as empty, and is written anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from rankkit.choose.fit.basic import Floats
from rankkit.choose.fit.features import Asked, Kind, Part
from rankkit.core.images import decode, fingerprint
from rankkit.io.atomic import replacing_file

BATCH = 32  # images measured together, and held in memory
CACHE, KINDS = "features.safetensors", ("basic", "embedding", "score")


class Cache:
    """Features by part and image. Numbers that a prompt may change are kept by image and prompt."""

    def __init__(self, file: Path) -> None:
        """Read the file, as far as it is there and whole."""
        self._file = file
        self._known: dict[str, dict[str, Floats]] = {}
        self._kinds: dict[str, Kind] = {}
        try:
            self._read()
        except Exception:  # whatever a damaged file brings about: it is only a copy of what can be computed
            self._known.clear()
            self._kinds.clear()

    def _read(self) -> None:
        from safetensors import safe_open

        with safe_open(self._file, "numpy") as stored:
            for place, (identity, kind, keys) in enumerate(json.loads(stored.metadata()["parts"])):
                matrix = np.asarray(stored.get_tensor(str(place)), dtype=np.float64)
                if kind not in KINDS or matrix.shape[:1] != (len(keys),) or not np.isfinite(matrix).all():
                    raise ValueError(identity)
                self._known[identity] = dict(zip(keys, matrix, strict=True))
                self._kinds[identity] = kind

    def prepare(self, part: Part) -> None:
        """Tell a part what it gave before, so that its ranker need not be built to know."""
        if part.identity in self._kinds:
            part.kind = self._kinds[part.identity]

    def get(self, part: Part, sha256: str, prompt: str) -> Floats | None:
        """The features of an image, where they are known."""
        return self._known.get(part.identity, {}).get(_key(part, sha256, prompt))

    def write(
        self, parts: Sequence[Part], items: Sequence[tuple[str, str]], found: Sequence[Sequence[Floats]]
    ) -> None:
        """Replace the file: per part the vectors of these items, (sha256, prompt) each.

        Raises `OSError` where it cannot be written.
        """
        from safetensors.numpy import save_file

        tensors: dict[str, Floats] = {}
        listed = []
        for place, (part, vectors) in enumerate(zip(parts, found, strict=True)):
            by_key = {_key(part, *item): vector for item, vector in zip(items, vectors, strict=True)}
            tensors[str(place)] = np.stack(list(by_key.values()))
            listed.append([part.identity, part.kind, list(by_key)])
        with replacing_file(self._file) as temporary:
            save_file(tensors, temporary, {"parts": json.dumps(listed)})


def _key(part: Part, sha256: str, prompt: str) -> str:
    of_prompt = fingerprint(prompt.encode("utf-8", "surrogatepass"))[:16]
    return f"{sha256} {of_prompt}" if part.kind == "score" else sha256


class Collector:
    """Takes images as they come, and has the features of all of them in the end.

    `items` are (sha256, prompt), each once. `faults` says by name why an image has no features.
    """

    def __init__(
        self, parts: Sequence[Part], cache: Path, progress: Callable[[int], object] = lambda done: None
    ) -> None:
        self.parts, self._cache, self._progress = parts, Cache(cache), progress
        for part in parts:
            self._cache.prepare(part)
        self.items: list[tuple[str, str]] = []
        self.faults: dict[str, str] = {}
        self.computed = 0  # images of which something was not known before
        self._places: dict[tuple[str, str], int] = {}
        self._names: list[str] = []
        self._found: list[list[Floats | str]] = []  # by item, one per part
        self._waiting: list[tuple[int, Asked]] = []

    def place(self, prompt: str, name: str, data: bytes | str) -> int | None:
        """The number of an image's item; None where there is none, which `faults` tells from then on.

        `data` is the file's bytes, or the reason why they cannot be had.
        """
        if isinstance(data, str):
            self.faults[name] = data
            return None
        item = fingerprint(data), prompt
        if item not in self._places:
            known = [self._cache.get(part, *item) for part in self.parts]
            decoded = None if all(each is not None for each in known) else decode(data)
            if decoded is not None and decoded.image is None:
                self.faults[name] = decoded.error or "is unreadable"
                return None
            self._places[item] = len(self.items)
            self.items.append(item)
            self._names.append(name)
            self._found.append([each if each is not None else "" for each in known])
            if decoded is not None and decoded.image is not None:
                self._wait(Asked(decoded.image, prompt))
            self._progress(len(self.items) - len(self._waiting))
        return self._places[item]

    def _wait(self, asked: Asked) -> None:
        self._waiting.append((len(self.items) - 1, asked))
        if len(self._waiting) == BATCH:
            self._measure()

    def _measure(self) -> None:
        for at, part in enumerate(self.parts):
            due = [
                (place, asked) for place, asked in self._waiting if isinstance(self._found[place][at], str)
            ]
            measured = part.measure([asked for _, asked in due]) if due else []
            for (place, _), vector in zip(due, measured, strict=True):
                self._found[place][at] = vector
        self.computed += len(self._waiting)
        self._waiting.clear()
        self._progress(len(self.items))

    def finish(self) -> list[Floats]:
        """Per part the features of all items, (items, size); NaN where there are none. The cache is written.

        Raises `OSError` where it cannot be.
        """
        if self._waiting:
            self._measure()
        whole = [
            place for place, found in enumerate(self._found) if not any(isinstance(v, str) for v in found)
        ]
        for place in set(range(len(self.items))) - set(whole):
            self.faults[self._names[place]] = next(v for v in self._found[place] if isinstance(v, str))
        if not whole:
            return [np.full((len(self.items), 1), np.nan) for _ in self.parts]
        columns = [[self._vector(place, at) for place in whole] for at in range(len(self.parts))]
        self._cache.write(self.parts, [self.items[place] for place in whole], columns)
        matrices = []
        for vectors in columns:
            matrix = np.full((len(self.items), len(vectors[0])), np.nan)
            matrix[whole] = vectors
            matrices.append(matrix)
        return matrices

    def _vector(self, place: int, at: int) -> Floats:
        vector = self._found[place][at]
        assert not isinstance(vector, str)
        return vector
