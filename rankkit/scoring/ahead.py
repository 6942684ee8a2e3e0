"""The rankers of a run, and what is made ready for them in threads while they judge what came before."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import partial

from PIL import Image

from rankkit.core.binding import DEVICE_FULL
from rankkit.core.calling import LazyRanker, rank_groups
from rankkit.core.prefetch import prefetch
from rankkit.core.rankers import Pairwise, Pointwise
from rankkit.core.stated import preparation_of, prepare_of
from rankkit.core.two_stage import make
from rankkit.core.types import Group, Ranking
from rankkit.errors import BrokenRanker, DeviceFull, RunStopped
from rankkit.registry.load import Prepared
from rankkit.scoring.work import DecodedImage, Work, decode_work, pixels_of


class RunRanker:
    """A prepared ranker in a run.

    Built with the first groups it ranks, `stopped` once it cannot go on, and `full` is why an image did not
    fit into its device.
    """

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.stopped: RunStopped | None = None
        self.full = ""
        self._ranker = LazyRanker(prepared.identity.ranker, prepared.load)

    @property
    def staged(self) -> Pointwise | None:
        """The ranker, where it has two stages and is built."""
        ranker = self._ranker.built
        return ranker if isinstance(ranker, Pointwise) and ranker._two_stages else None

    @property
    def preparation(self) -> Hashable:
        """What its first stage is known by: rankers that state the same share what it makes of an image."""
        stated = preparation_of(self.staged) if self.staged else None
        return self if stated is None else stated

    def build(self) -> None:
        """Build it, if it is not yet. Raises whatever building it raises."""
        self._ranker.build()

    @property
    def streams(self) -> bool:
        """Whether it looks at two images at a time, so that a group need not be held. Builds the ranker."""
        return self.prepared.kind == "pairwise" and isinstance(self._ranker.build(), Pairwise)

    @property
    def heavy(self) -> bool:
        """Whether it is built, and may hold the memory of a device."""
        return self._ranker.built is not None and not self.prepared.plain

    def free(self) -> None:
        """Let go of what was built."""
        self._ranker = LazyRanker(self._ranker.name, self.prepared.load)

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        """The rankings of the groups, or of those before the one at which the ranker stopped.

        Raises whatever building the ranker raises: without it the run cannot go on.
        """
        if not groups:
            return []
        self._ranker.build()
        try:
            found = rank_groups(self._ranker, groups, self._ranker.name)
            self.full = next(filter(None, map(_full, found)), "")
            return found
        except RunStopped as stopped:
            if len(groups) == 1:
                self.stopped = stopped
                return []
        found = []
        for group in groups:  # what it could still judge is kept
            found += self.rank([group])
            if self.stopped:
                break
        return found


def ready_work(work: Work, rankers: Sequence[RunRanker]) -> DecodedImage:
    """A decoded image with what the rankers that are built by now, and have two stages, see of it.

    What is not made here is made later: where rankers are not built yet, or something ends the run.
    """
    return _with_made(decode_work(work), rankers)


def ready_first(work: Work, rankers: Sequence[RunRanker]) -> DecodedImage:
    """The same with its rankers built, so that all that comes after it is prepared ahead.

    Raises whatever building a ranker raises.
    """
    candidate = decode_work(work)
    _build_for([candidate], rankers)
    return _with_made(candidate, rankers)


def ready_chunk(chunk: Sequence[DecodedImage], rankers: Sequence[RunRanker | None]) -> Sequence[DecodedImage]:
    """A chunk with its rankers built, and what several in two stages see of an image made before any of them.

    One alone prepares what is missing while it scores. Raises whatever building a ranker raises.
    """
    _build_for(chunk, rankers)
    if sum(ranker is not None and ranker.staged is not None for ranker in rankers) < 2:
        return chunk
    return [ready for _, ready in prefetch(chunk, partial(_with_made, rankers=rankers), held_pixels)]


def _build_for(chunk: Sequence[DecodedImage], rankers: Sequence[RunRanker | None]) -> None:
    """Build the rankers that are to be shown an image of these."""
    for place, ranker in enumerate(rankers):
        if ranker and any(place in each.work.wanted and _shown(each, ranker) for each in chunk):
            _build(ranker, rankers)


def _build(ranker: RunRanker, rankers: Sequence[RunRanker | None]) -> None:
    """Build it where rankers that were let go are gone: those that refer to themselves wait for this."""
    if not ranker.heavy and not ranker.prepared.plain:
        gc.collect()
    try:
        ranker.build()
    except DeviceFull as full:
        if any(other and other.heavy for other in rankers):
            raise
        raise BrokenRanker(str(full)) from None


def need_room(ranker: RunRanker, rankers: Sequence[RunRanker | None]) -> None:
    """Raise `DeviceFull` where an image did not fit into the device beside other rankers."""
    if ranker.full and any(other and other.heavy for other in rankers if other is not ranker):
        raise DeviceFull(ranker.full)


def _full(ranking: Ranking) -> str:
    """Why an image did not fit into a device, or nothing."""
    full = (found for found in ranking.details if found.get("failure") == DEVICE_FULL)
    return next((str(found["error"]) for found in full), "")


def _with_made(candidate: DecodedImage, rankers: Sequence[RunRanker | None]) -> DecodedImage:
    """The image with what each first stage makes of it; rankers that share one share what it makes."""
    made = dict(candidate.made)
    for ranker in (rankers[place] for place in candidate.work.wanted):
        staged = ranker and ranker.staged  # once: it may be let go meanwhile
        if ranker and staged and ranker.preparation not in made and _shown(candidate, ranker):
            with contextlib.suppress(RunStopped, SystemExit):
                made[ranker.preparation] = make(prepare_of(staged), own_image(candidate))
    return replace(candidate, made=made) if len(made) > len(candidate.made) else candidate


def _shown(candidate: DecodedImage, ranker: RunRanker) -> bool:
    return why_not_ranked(candidate, ranker.prepared) is None


def why_not_ranked(candidate: DecodedImage, ranker: Prepared) -> str | None:
    """Why the ranker is not shown this image, None where it is."""
    if candidate.decoded.image is None and candidate.held is None:
        return candidate.decoded.error
    if ranker.needs_prompt and not candidate.work.item.prompt:
        return f"{ranker.identity.ranker} needs a prompt, and this image has none"
    return None


def own_image(candidate: DecodedImage) -> Image.Image:
    """The image, to do with as the ranker likes (some shrink it in place).

    A copy where another ranker sees it too.
    """
    return candidate.image.copy() if len(candidate.work.wanted) > 1 else candidate.image


def held_pixels(candidate: DecodedImage) -> int:
    """With what was made of the image: its memory. How images are put into chunks does not depend on it."""
    return pixels_of(candidate) + sum(made.pixels for made in candidate.made.values())
