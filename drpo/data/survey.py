"""What a file of human preferences holds, seen before a run begins: what teaches, and what is doubtful."""

from __future__ import annotations

import hashlib
import json
import math
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass, field

from accelerate import PartialState

from drpo.types import Prompt
from rankkit import RankkitError
from rankkit.plugin import Preference, PreferenceFile

NAMED = 1000  # different prompts that are kept for the evaluations of a run
LOOKED_AT = 1000  # entries whose images are looked for
COMPARED = 10**6  # entries that are held against each other


@dataclass(slots=True)
class Survey:
    """How many entries decide something, and some of their prompts."""

    count: int = 0
    named: dict[str, None] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    without_prompt: int = 0
    faults: list[str] = field(default_factory=list)  # of the first `LOOKED_AT`, one each
    opposed: int = 0
    # all entries in their order: prompt, names of images, and what was preferred
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    # of two images: whether the first by name was better
    _order: dict[int, bool] = field(default_factory=dict)

    @property
    def prompts(self) -> list[Prompt]:
        """The first `NAMED` different ones."""
        return [Prompt(text) for text in self.named]

    @property
    def sha256(self) -> str:
        """A hash of what was preferred to what, without the pixels."""
        return self._digest.hexdigest()

    def add(self, file: PreferenceFile, entry: Preference) -> None:
        """Take in an entry."""
        if not any(True for _ in entry.decided()):
            self.left_out["without a choice" if all(map(math.isnan, entry.human)) else "tied"] += 1
            return
        self.count += 1
        named = [image for image in entry.images if isinstance(image, str)]
        self._digest.update(json.dumps([entry.prompt, named, list(entry.human)]).encode())
        self.without_prompt += not entry.prompt.strip()
        if len(self.named) < NAMED:
            self.named[entry.prompt] = None
        if self.count <= LOOKED_AT:
            self.faults += _faults(file, entry)[:1]
        if self.count <= COMPARED:
            self.opposed += self._opposes(entry)

    def _opposes(self, entry: Preference) -> bool:
        """Whether an entry says the opposite of an earlier one about the same prompt and two images."""
        found = False
        for better, worse in entry.decided():
            first, second = entry.images[better], entry.images[worse]
            if isinstance(first, str) and isinstance(second, str):
                pair = hash((entry.prompt, *sorted((first, second))))
                found |= self._order.setdefault(pair, first < second) != (first < second)
        return found

    def words(self, file: PreferenceFile) -> str:
        """What is to be said; raises `RankkitError` where nothing can be learned."""
        if not self.count:
            raise RankkitError(
                f"{file.path} holds no preference: of its {self.left_out.total()} entries none has a choice"
            )
        looked_at = min(self.count, LOOKED_AT)
        if len(self.faults) == looked_at:
            raise RankkitError(f"{file.path}: no entry has both images: {self.faults[0]}")
        said = [f"{number} entries {why} are left out" for why, number in self.left_out.items()]
        if self.without_prompt:
            said.append(f"{self.without_prompt} have no prompt and teach what to make of an empty one")
        if self.faults:
            first = f"{len(self.faults)} of the first {looked_at}"
            said.append(f"{first} lack an image and will be skipped ({self.faults[0]})")
        if self.opposed:
            said.append(f"{self.opposed} say the opposite of an earlier one about the same two images")
        return "; ".join([f"{file.path}: {self.count} preferences ({file.format.name})", *said])


def survey(file: PreferenceFile) -> Survey:
    """A file read once, without the images inside it; a line on stderr says what it holds.

    Raises `RankkitError` where no entry has a choice, or none of the first `LOOKED_AT` has its images.
    """
    found = Survey()
    for entry in file.entries(images=False):
        found.add(file, entry)
    PartialState().print(found.words(file), file=sys.stderr)
    return found


def _faults(file: PreferenceFile, entry: Preference) -> list[str]:
    """Why images of an entry cannot be had, as far as this shows without reading them."""
    named = [(image, file.fault(image)) for image in entry.images if isinstance(image, str)]
    return [f"{entry.where}: {textwrap.shorten(image, 80)} {why}" for image, why in named if why]
