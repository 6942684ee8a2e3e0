"""The rankers of a run, and what is made ready for them in threads while they judge what came before."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from rankkit.core.calling import LazyRanker, rank_groups
from rankkit.core.rankers import Pointwise
from rankkit.core.stated import prepare_of, two_stages
from rankkit.core.two_stage import Made, make
from rankkit.core.types import Group, Ranking
from rankkit.errors import RunStopped
from rankkit.registry.load import Prepared
from rankkit.scoring.work import DecodedImage, Work, decode_work, pixels_of


class RunRanker:
    """A prepared ranker in a run.

    Built with the first groups it ranks, and `stopped` once it cannot go on.
    """

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.stopped: RunStopped | None = None
        self._ranker = LazyRanker(prepared.identity.ranker, prepared.load)

    @property
    def staged(self) -> Pointwise | None:
        """The ranker, where it has two stages and is built."""
        ranker = self._ranker.built
        return ranker if isinstance(ranker, Pointwise) and two_stages(ranker) else None

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        """The rankings of the groups, or of those before the one at which the ranker stopped.

        Raises whatever building the ranker raises: without it the run cannot go on.
        """
        if not groups:
            return []
        self._ranker.build()
        try:
            return rank_groups(self._ranker, groups, self._ranker.name)
        except RunStopped as stopped:
            if len(groups) == 1:
                self.stopped = stopped
                return []
        found: list[Ranking] = []
        for group in groups:  # what it could still judge is kept
            found += self.rank([group])
            if self.stopped:
                break
        return found


def ready_work(work: Work, rankers: Sequence[RunRanker]) -> DecodedImage:
    """A decoded image with what the rankers that are built by now, and have two stages, see of it.

    What is not made here is made when it is scored: for the first chunk, and where something ends the run.
    """
    candidate = decode_work(work)
    made: dict[object, Made] = {}
    for ranker in (rankers[place] for place in work.wanted):
        staged = ranker.staged
        if staged is not None and why_not_ranked(candidate, ranker.prepared) is None:
            with contextlib.suppress(RunStopped, SystemExit):
                made[ranker] = make(prepare_of(staged), own_image(candidate))
    return replace(candidate, made=made) if made else candidate


def why_not_ranked(candidate: DecodedImage, ranker: Prepared) -> str | None:
    """Why the ranker is not shown this image, None where it is."""
    if candidate.decoded.image is None:
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
