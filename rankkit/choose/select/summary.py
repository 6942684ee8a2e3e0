"""A selection in words: how many were chosen and of what, and what decided it beside the scores."""

from __future__ import annotations

from collections.abc import Iterator

from rankkit.choose.select.candidates import Pool
from rankkit.choose.select.rule import Selection
from rankkit.core.text import count
from rankkit.registry import cards
from rankkit.registry.catalog import installed


def summary(found: Selection, unread: int) -> Iterator[str]:
    """The lines for a terminal; `unread`: images that were not compared with others because they failed."""
    yield _chosen(found)
    if found.pool.without_prompt:
        without = count(found.pool.without_prompt, "image")
        yield f"{without} without a prompt: chosen by the group of their rows"
    if found.abstained:
        yield f"{count(found.abstained, 'image')} abstained on, and not chosen"
        yield from (f"  {number:,} × {reason}" for reason, number in found.reasons.most_common(3))
    if found.near:
        yield f"{count(found.near, 'image')} left out: nearly equal to a better one"
    if unread:
        yield f"{count(unread, 'image')} could not be read, and may be near-duplicates"
    if found.ties:
        where, number = next(iter(found.ties.items()))
        more = f", and so in {len(found.ties) - 1} more" if len(found.ties) > 1 else ""
        left_out = f"{number} of the same score left out{f' of {where!r}' if where else ''}{more}"
        yield f"ties at the last place were decided by name: {left_out}"
    if found.pool.per == "all":
        yield from _notes_on_prompts(found.pool)


def _chosen(found: Selection) -> str:
    pool = found.pool
    names = " + ".join(
        f"{column.label}*{weight:g}" if weight != 1 else column.label for column, weight in pool.members
    )
    how = f"the mean rank of {names}" if len(pool.members) > 1 else names
    parts = "" if pool.per == "all" else f", of {count(len(pool.parts), pool.per)}"
    return f"{len(found.chosen):,} of {count(found.images, 'image')} chosen by {how}{parts}"


def _notes_on_prompts(pool: Pool) -> Iterator[str]:
    """Where a ranker's own card limits its scores to one prompt, and images of several were compared."""
    if len({each.prompt for part in pool.parts.values() for each in part}) < 2:
        return
    offers = {offer.name: offer for offer in installed()}
    for column, _ in pool.members:
        offer = offers.get(column.ranker)
        stated = str(cards.describe(offer, verbose=True)["card"].get("comparable", "")) if offer else ""
        if stated.startswith("within"):
            yield f"note: scores of {column.ranker} compare {stated}; --per prompt chooses so"
