"""One image's way to its row: read, hashed, decoded, ranked in a chunk with others.

The same on this machine and on a worker.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from PIL import Image

from rankkit.core import images
from rankkit.core.prefetch import AHEAD, PIXELS, prefetch
from rankkit.core.text import plain
from rankkit.core.two_stage import PreparedGroup
from rankkit.core.types import Group, Held, HeldImages, Ranking, StreamedGroup
from rankkit.io.prompts.base import Item
from rankkit.io.rows import METADATA_HASH, Row, row
from rankkit.registry.load import Prepared
from rankkit.scoring.ahead import (
    RunRanker,
    held_pixels,
    need_room,
    own_image,
    ready_chunk,
    ready_first,
    ready_work,
    why_not_ranked,
)
from rankkit.scoring.plan import Key
from rankkit.scoring.work import (
    DecodedImage,
    Work,
    digest_of,
    let_go,
    metadata_read,
    pixels_of,
    taken_back,
)

T = TypeVar("T")
CHUNK = 64  # images a pointwise ranker sees at once

FIELDS, LONGEST = 32, 256  # of the metadata in a row: how many, and characters of one


def rank_works(
    works: Iterator[Work], running: Sequence[RunRanker], *, whole: bool
) -> Iterator[list[tuple[Key, Row]]]:
    """Rank with rankers that are there; images are read, decoded and prepared ahead in threads."""
    first = (ready_first(work, running) for work in itertools.islice(works, 1))
    ready = prefetch(works, partial(ready_work, rankers=running), held_pixels, ahead=max(AHEAD, CHUNK + 1))
    candidates = _within_memory(itertools.chain(first, (candidate for _, candidate in ready)), running)
    # no name holds a chunk while the next is made
    for found in map(partial(score_chunk, rankers=running), chunks(candidates, whole)):
        yield found
        for ranker in running:
            if ranker.stopped is not None:
                raise ranker.stopped


def _within_memory(
    candidates: Iterable[DecodedImage], running: Sequence[RunRanker]
) -> Iterator[DecodedImage]:
    """Candidates, of one group at most about `PIXELS` pixels of them decoded.

    The others are decoded when they are shown, where all who are to see them look at two images at a time.
    """
    held: Counter[object] = Counter()
    for candidate in candidates:
        group, wanted = _group_key(candidate), candidate.work.wanted
        pairs = bool(wanted) and all(running[i].prepared.kind == "pairwise" for i in wanted)
        if pairs and held[group] >= PIXELS and candidate.decoded.image is not None:
            yield let_go(candidate)
        else:
            held = Counter({group: held[group] + pixels_of(candidate)})
            yield candidate


def chunks(candidates: Iterable[DecodedImage], whole: bool) -> Iterator[list[DecodedImage]]:
    """Runs of candidates with at most `CHUNK` images and about `PIXELS` pixels.

    With `whole`, groups are never split.
    """
    return _runs(candidates, whole, _group_key, pixels_of)


def in_chunks(works: Iterable[Work], whole: bool) -> Iterator[list[Work]]:
    """Runs of unread works, of at most `CHUNK` images; with `whole`, groups stay whole."""
    return _runs(works, whole, lambda work: work.key[0], lambda _: 0)


def _runs(
    items: Iterable[T],
    whole: bool,
    group: Callable[[T], object],
    pixels: Callable[[T], int],
) -> Iterator[list[T]]:
    run: list[T] = []
    held = 0
    for item in items:
        full = len(run) >= CHUNK or held >= PIXELS
        if run and full and not (whole and group(run[-1]) == group(item)):
            yield run
            run, held = [], 0
        run.append(item)
        held += pixels(item)
    if run:
        yield run


def abstentions(work: Work, rankers: Sequence[Prepared], reason: str) -> list[tuple[Key, Row]]:
    """The rows of an image that no ranker could be shown."""
    candidate = DecodedImage(work, digest_of(work.item.read()), images.Decoded(None, reason))
    found = ((rankers[i], _one_abstention(rankers[i], reason)) for i in work.wanted)
    return [(work.key, _row(candidate, ranker, verdict, 0)) for ranker, verdict in found]


def score_chunk(chunk: Sequence[DecodedImage], rankers: Sequence[RunRanker | None]) -> list[tuple[Key, Row]]:
    """The rows of a chunk by every ranker that wants it. A failure of the ranker is a row with its reason."""
    found: list[tuple[Key, Row]] = []
    chunk = ready_chunk(chunk, rankers)
    for i, ranker in enumerate(rankers):
        if ranker is None:
            continue
        for candidate, verdict, place in _rankings(
            [candidate for candidate in chunk if i in candidate.work.wanted], ranker
        ):
            found.append((candidate.work.key, _row(candidate, ranker.prepared, verdict, place)))
        need_room(ranker, rankers)
    return found


def _rankings(
    candidates: Sequence[DecodedImage], ranker: RunRanker
) -> Iterator[tuple[DecodedImage, Ranking, int]]:
    """Each candidate with the ranking it is part of and its place there."""
    together = _metadata_key if ranker.prepared.independent else _group_key
    members: list[list[DecodedImage]] = []
    streams = any(each.held for each in candidates) and ranker.streams
    for _, group in itertools.groupby(candidates, key=together):
        fit = []
        for candidate in group if streams else map(taken_back, group):
            reason = why_not_ranked(candidate, ranker.prepared)
            if reason is None:
                fit.append(candidate)
            else:
                yield candidate, _one_abstention(ranker.prepared, reason), 0
        if fit:
            members.append(fit)
    groups = [_group(each, ranker) for each in members]
    for each, ranking in zip(members, ranker.rank(groups), strict=False):
        yield from ((candidate, ranking, place) for place, candidate in enumerate(each))


def _one_abstention(ranker: Prepared, reason: str) -> Ranking:
    return Ranking((math.nan,), ranker.kind, None, ({"error": reason},))


def _group_key(candidate: DecodedImage) -> object:
    return candidate.work.key[0]


def _metadata_key(candidate: DecodedImage) -> object:
    """A manifest may give each image of a group metadata of its own.

    Whoever judges one image is to see just this.
    """
    return candidate.work.key[0], candidate.work.item.metadata


def _group(members: Sequence[DecodedImage], ranker: RunRanker) -> Group:
    """Members as the ranker sees them, with what its first stage made of them where it did.

    Metadata that they do not share is left out.
    """
    items = [candidate.work.item for candidate in members]
    first = items[0]
    metadata = {
        key: value
        for key, value in first.metadata.items()
        if all(item.metadata.get(key) == value for item in items)
    }
    names = tuple(item.name for item in items)
    if any(each.held for each in members):
        streamed = cast(tuple[Image.Image, ...], HeldImages(list(map(_held, members))))
        return StreamedGroup(first.prompt, streamed, first.group, names, metadata)
    made = [candidate.made.get(ranker.preparation) for candidate in members]
    shown = tuple(
        own_image(each) if one is None else each.image for each, one in zip(members, made, strict=True)
    )
    found = tuple((image, one) for image, one in zip(shown, made, strict=True) if one is not None)
    fields = first.prompt, shown, first.group, names, metadata
    return PreparedGroup(*fields, found, ranker.staged) if found else Group(*fields)


def _held(candidate: DecodedImage) -> Held:
    if candidate.held is not None:
        return candidate.held
    return Held(images.content_hash(candidate.image), pixels_of(candidate), partial(own_image, candidate))


def _row(candidate: DecodedImage, ranker: Prepared, ranking: Ranking, place: int) -> Row:
    item = candidate.work.item
    details = dict(ranking.details[place]) if ranking.details else {}
    return row(
        ranker.identity,
        group=item.group,
        prompt=item.prompt,
        image=item.name,
        sha256=candidate.sha256,
        kind=ranking.kind,
        score=ranking.scores[place],
        stderr=ranking.stderr[place] if ranking.stderr else None,
        details=details | _notes(item, candidate.decoded.notes, metadata_read(item, ranker)),
    )


def _notes(item: Item, image: Mapping[str, Any], metadata: str) -> dict[str, Any]:
    """What a row says of its image beside the verdict: what decoding changed, where the prompt comes from and
    how it was written there, and the metadata that came with it, within bounds and, where the ranker read it,
    as a hash.
    """
    found = {
        "image": dict(image),
        "prompt_source": item.source,
        "raw_prompt": item.written,
        "metadata": shown_metadata(item.metadata),
        METADATA_HASH: metadata,
    }
    return {key: value for key, value in found.items() if value}


def shown_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Of an image's metadata what a row holds: the first `FIELDS` texts and numbers of at most `LONGEST`."""
    flat = {key: value for key, value in metadata.items() if isinstance(value, (str, int, float, bool))}
    fitting = [(key, value) for key, value in flat.items() if len(key) + len(str(value)) <= LONGEST]
    return {key: plain(value) for key, value in fitting[:FIELDS]}
