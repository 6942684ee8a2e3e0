"""Preferences from disk in place of a live ranker: prompts with images that people ordered (arXiv 2606.02521,
offline).

Either the stored images themselves attract and repel, or they only rank the candidates: by how much nearer
each lies to the preferred images than to the others, in feature space. The file is streamed, in an order
shuffled by the seed, so that its size does not matter.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from drpo.anchors import Drawn, Turn, ranking_row
from drpo.config import Config
from drpo.data.survey import Survey, survey
from drpo.loss import AnchorFeatures, select_rows
from drpo.preference import split
from drpo.types import FeatureMap, Generator, ImageGenerator, LogRow, Prompt, Sample
from rankkit import Ranking, RankkitError
from rankkit.plugin import Preference, PreferenceFile

BUFFER = 256  # entries among which the stream is shuffled: so many images of a parquet file are in memory


class StoredAnchors:
    """Anchors from a file of human preferences, in any layout that `rankkit agree` reads.

    Entries without a choice are left out, and counted when the file is opened. An image that cannot be read
    costs its prompt's turn, which is counted as broken. With ``offline="rank"`` the stored images only order
    the candidates, which then attract and repel each other as under a live ranker.
    """

    def __init__(
        self,
        file: PreferenceFile,
        config: Config,
        generator: Generator,
        features: FeatureMap,
        known: Survey | None = None,
    ) -> None:
        if not isinstance(generator, ImageGenerator):
            raise RankkitError(
                f"generator={config.generator} cannot encode images, so it cannot learn from preferences=; "
                f"give ranker="
            )
        self.file, self.config, self.generator, self.features = file, config, generator, features
        self.reason, self.elsewhere = "", False
        known = known or survey(file)
        self.count, self.prompts, self.sha256 = known.count, known.prompts, known.sha256
        self._entries: Iterator[Preference] = iter(())
        self._epoch = self._place = -1  # of the entry that the stream gives next
        self._latest: dict[int, Preference] = {}

    def prompt(self, number: int) -> Prompt:
        """The prompt of an entry: all entries once, shuffled by the seed, before any comes again."""
        return Prompt(self.entry(number).prompt)

    def entry(self, number: int) -> Preference:
        """The entry of a turn, by the seed and the number alone; quick for the latest step's and the next."""
        if number in self._latest:
            return self._latest[number]
        epoch, place = divmod(number, self.count)
        if epoch != self._epoch or place < self._place:
            self._entries = shuffled(_decided(self.file), f"{self.config.seed}/{epoch}")
            self._epoch, self._place = epoch, 0
        *_, entry = islice(self._entries, place - self._place + 1)
        self._place, self._latest[number] = place + 1, entry
        if len(self._latest) > self.config.prompts_per_step:
            self._latest.pop(next(iter(self._latest)))
        return entry

    def draw(self, generator: Generator, turn: Turn) -> Drawn:
        """`group_size` noises, and the turn's entry."""
        return Drawn(generator.noise(self.config.group_size, turn.seed), entry=self.entry(turn.number))

    def ask(
        self, turns: Sequence[Turn], samples: Sequence[Sample], drawn: Sequence[Drawn]
    ) -> Callable[[], list[Drawn]]:
        """Nobody is asked: what is stored is the answer."""
        return lambda: list(drawn)

    def anchors(
        self, turn: Turn, sample: Sample, points: Mapping[str, Tensor], drawn: Drawn
    ) -> tuple[AnchorFeatures | None, LogRow]:
        """The entry's best and worst images, seen through the feature map; or the candidates, ranked by their
        nearness to those.
        """
        entry = drawn.entry
        assert entry is not None, "what `draw` returned is handed on"
        order = split(Ranking(entry.human), self.config.anchors)
        assert order is not None, "entries without a choice were left out"
        stored = self.stored(entry)
        if stored is None:
            return None, {"broken": 1.0}
        chosen = select_rows(stored, order)
        if self.config.offline == "images":
            return chosen, {}
        nearness = sum(
            _distance(z, chosen.negative[key]) - _distance(z, chosen.positive[key])
            for key, z in points.items()
        )
        assert isinstance(nearness, Tensor)
        ranking = Ranking(tuple(nearness.tolist()))
        found = split(ranking, self.config.anchors)
        return (select_rows(points, found) if found else None), ranking_row(ranking)

    def stored(self, entry: Preference) -> Mapping[str, Tensor] | None:
        """Features of an entry's images, as of candidates; None where one is unreadable, for the `reason`."""
        assert isinstance(self.generator, ImageGenerator)
        pixels = []
        for stored, name in zip(entry.images, entry.names, strict=True):
            decoded = self.file.image(stored)
            if decoded.image is None:
                self.reason = f"{name}: {decoded.error}"
                return None
            pixels.append(_pixels(decoded.image, self.generator.size))
        with torch.no_grad():
            latents = self.generator.encode_pixels(torch.stack(pixels))
            return self.features(Sample(entry.prompt, latents, self.generator.decode))


def shuffled(entries: Iterator[Preference], seed: str) -> Iterator[Preference]:
    """The entries of a stream in an order decided by the seed, by drawing from a buffer of `BUFFER`
    entries.
    """
    rng = random.Random(seed)
    buffer = list(islice(entries, BUFFER))
    for entry in entries:
        place = rng.randrange(len(buffer))
        buffer[place], entry = entry, buffer[place]
        yield entry
    rng.shuffle(buffer)
    yield from buffer


def _decided(file: PreferenceFile) -> Iterator[Preference]:
    return (entry for entry in file.entries() if any(True for _ in entry.decided()))


def _distance(z: Tensor, others: Tensor) -> Tensor:
    """(K,): mean distance of each candidate to `others`, as flat vectors, in units of the mean over
    candidates.
    """
    d = torch.cdist(z.detach().float().flatten(1), others.float().flatten(1))
    return d.mean(1) / d.mean().clamp_min(1e-12)


def _pixels(image: Image.Image, size: int) -> Tensor:
    """(3,size,size) in [-1, 1], cropped to the middle square."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    square = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return torch.from_numpy(np.asarray(square, np.float32).transpose(2, 0, 1).copy()) / 127.5 - 1
