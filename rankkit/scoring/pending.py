"""What earlier runs left to do: each image, or group, with the rankers that have yet to see it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from rankkit.core.prefetch import prefetch
from rankkit.io.prompts.base import Item
from rankkit.registry.load import Prepared
from rankkit.scoring.ledger import Ledger
from rankkit.scoring.plan import Key
from rankkit.scoring.work import Work, digest_of, metadata_read


def unscored(
    ledger: Ledger, rankers: Sequence[Prepared], lane: tuple[int, ...], earlier: bool
) -> Iterator[Work]:
    """Each image with those pointwise rankers that have not scored it; an abstention is tried again."""
    for key, item, sha256 in _hashed(ledger.items(), earlier):
        wanted = tuple(i for i in lane if not _settled(_known(ledger, rankers[i], item, sha256)))
        for i in lane:
            if i not in wanted:
                ledger.mark_current(rankers[i].identity, item, key)
        yield Work(key, item, wanted)


def unranked(
    ledger: Ledger, rankers: Sequence[Prepared], lane: tuple[int, ...], earlier: bool
) -> Iterator[Work]:
    """Each group whole, with those rankers whose verdict on exactly these images is not known."""
    for _, members in itertools.groupby(_hashed(ledger.items(), earlier), key=lambda found: found[0][0]):
        group = list(members)
        known = {i: [_known(ledger, rankers[i], item, sha256) for _, item, sha256 in group] for i in lane}
        wanted = tuple(
            i
            for i in lane
            if not all(map(_settled, known[i]))
            or ledger.members(rankers[i].identity, group[0][1].group) != len(group)
        )
        for key, item, _ in group:
            for i in lane:
                if i not in wanted:
                    ledger.mark_current(rankers[i].identity, item, key)
            yield Work(key, item, wanted)


def _known(ledger: Ledger, ranker: Prepared, item: Item, sha256: str | None) -> float | None:
    if sha256 is None:
        return None
    return ledger.known(ranker.identity, item, sha256, metadata_read(item, ranker))


def _settled(score: float | None) -> bool:
    return score is not None and not math.isnan(score)


def _hashed(items: Iterator[tuple[Key, Item]], earlier: bool) -> Iterator[tuple[Key, Item, str | None]]:
    """Items with the hash of their bytes.

    Without earlier rows there is nothing to look up, and no file is read for it.
    """
    if not earlier:
        yield from ((key, item, None) for key, item in items)
        return
    for (key, item), sha256 in prefetch(items, lambda found: digest_of(found[1].read())):
        yield key, item, sha256
