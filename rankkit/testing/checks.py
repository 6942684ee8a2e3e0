"""The checks themselves: each raises `Unexpected` with what it saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from PIL import Image

from rankkit.core.calling import check_rankings
from rankkit.core.images import content_hash
from rankkit.core.prefetch import prefetch
from rankkit.core.stated import prepare_of
from rankkit.core.two_stage import PreparedGroup, make
from rankkit.core.types import Group, Ranking
from rankkit.errors import RankkitError
from rankkit.remote import wire
from rankkit.testing.context import CheckContext, Unexpected, copy_of

SIZES = ((1, 1), (1, 64), (64, 1), (7, 300), (96, 32))  # width, height
PROMPTS = {
    "an empty prompt": "",
    "a blank prompt": " \t\n",
    "emoji and several scripts": "🦊🏽 👩‍👩‍👧‍👦 🇺🇳, 一只红色的狐狸, лиса, ثعلب, q̈u̇ị̃c̊k̃",
    "a prompt of 10 000 characters": ("a red circle on white, " * 500)[:10_000],
}
UNKNOWN_OPTION = "an_option_no_ranker_has"


def opinion(context: CheckContext) -> None:
    """Some image gets a score."""
    if all(math.isnan(score) for ranking in context.together for score in ranking.scores):
        reasons = [found["error"] for ranking in context.together for found in ranking.details]
        raise Unexpected(f"it abstained on all {len(reasons)} images, saying {reasons[0][:200]!r}")


def images_matter(context: CheckContext) -> None:
    """Under some prompt two images score differently: of its own group, a black one, or of any group.

    Images of other groups are compared where each is scored by itself.
    """
    usual = context.subject.images[0]
    black = Image.new("RGB", usual.size)
    tried = context.ask([replace(context.subject, images=(black, usual), names=())], "a black image")
    known = [_known(ranking) for ranking in (*context.together, *tried)]
    if context.pointwise and not any(len(set(scores)) > 1 for scores in known):
        every = (*(image for group in context.groups for image in group.images), black)
        mixed = [replace(group, images=every, names=()) for group in context.groups]
        known = [
            _known(ranking) for ranking in context.ask(mixed, "all images under the prompt of each group")
        ]
    if sum(map(len, known)) > 1 and not any(len(set(scores)) > 1 for scores in known):
        value = next(scores[0] for scores in known if scores)
        raise Unexpected(
            f"under each of {len(context.groups)} prompts all images had one score (such as {value!r}), a "
            f"black one too: the image did not matter"
        )


def _known(ranking: Ranking) -> list[float]:
    return [score for score in ranking.scores if not math.isnan(score)]


def prompts_matter(context: CheckContext) -> None:
    """Another prompt changes some score."""
    prompts = list(dict.fromkeys(group.prompt for group in context.groups if group.prompt))
    for group, ranking in zip(context.groups, context.alone, strict=True):
        for prompt in prompts:
            if prompt != group.prompt:
                (other,) = context.ask(
                    [replace(group, prompt=prompt)], f"group {group.id!r} under the prompt {prompt!r}"
                )
                if _bits(other) != _bits(ranking):
                    return
    if len(prompts) > 1:
        raise Unexpected(
            f"no score of {len(context.groups)} groups changed under {len(prompts)} prompts: the prompt did "
            f"not matter"
        )


def deterministic(context: CheckContext) -> None:
    """The same groups, asked twice, get equal bits."""
    _need_bits(context.together, context.ask(context.groups, "the same groups again"), "asked twice")


def batches(context: CheckContext) -> None:
    """A group ranked alone and with others gets the same scores."""
    for group, together, alone in zip(context.groups, context.together, context.alone, strict=True):
        context.need_same(
            alone.scores,
            together.scores,
            f"group {group.id!r} ranked alone and with {len(context.groups) - 1} others",
        )


def order(context: CheckContext) -> None:
    """A group reversed, or rotated by one, gets the same scores."""
    for group, ranking in zip(context.groups, context.alone, strict=True):
        places = list(range(len(group.images)))
        for order in (places[::-1], places[1:] + places[:1]):
            (moved,) = context.ask([_pick(group, order)], f"group {group.id!r} in the order {order}")
            context.need_same(
                [ranking.scores[i] for i in order], moved.scores, f"group {group.id!r} in the order {order}"
            )


def inputs(context: CheckContext) -> None:
    """The list of groups, their fields and their pixels are as they were before."""
    given = [copy_of(group) for group in context.groups]
    kept = list(given)
    context.ranker.rank(given)
    if given != kept:
        raise Unexpected("the list of groups is another one after rank()")
    for before, after in zip(context.groups, kept, strict=True):
        now = _state(after)
        for name, value in _state(before).items():
            if now.get(name) != value:
                raise Unexpected(
                    f"{name} of group {before.id!r} was {str(value)[:80]} and is {str(now.get(name))[:80]} "
                    f"after rank()"
                )


def empty(context: CheckContext) -> None:
    """No groups, and groups without images, are answered."""
    nothing = replace(context.subject, images=(), names=())
    context.ask([], "no groups")
    context.ask([nothing], "a group without images")
    context.ask([context.subject, nothing, context.subject], "a group without images between two others")


def single(context: CheckContext) -> None:
    """Groups of one image are answered."""
    context.ask([_pick(group, [0]) for group in context.groups if group.images], "groups of one image")


def companions(context: CheckContext) -> None:
    """Images ranked one by one get the scores of the whole group."""
    for group, ranking in zip(context.groups, context.alone, strict=True):
        singles = [
            context.ask([_pick(group, [i])], f"image {i} of group {group.id!r} alone")[0]
            for i in range(len(group.images))
        ]
        context.need_same(
            ranking.scores,
            [single.scores[0] for single in singles],
            f"group {group.id!r} ranked as a whole and image by image",
        )


def ties(context: CheckContext) -> None:
    """Each image given twice gets one score twice."""
    for group in context.groups:
        n, given = len(group.images), f"every image of group {group.id!r} twice"
        (ranking,) = context.ask([_pick(group, [*range(n), *range(n)])], given)
        context.need_same(ranking.scores[:n], ranking.scores[n:], f"given {given}")


def sizes(context: CheckContext) -> None:
    """Images of every size in `SIZES` are answered."""
    usual, other = context.subject.images[:2]
    for width, height in SIZES:
        group = replace(context.subject, images=(usual.resize((width, height)), other), names=())
        context.ask([group], f"an image of {width}x{height} and one of {other.width}x{other.height}")


def prompts(context: CheckContext) -> None:
    """Every prompt in `PROMPTS` is answered."""
    for what, prompt in PROMPTS.items():
        context.ask([replace(context.subject, prompt=prompt)], what)


def over_the_wire(context: CheckContext) -> None:
    """Groups and rankings that were encoded and decoded change no bit."""
    rankings = context.ask(
        wire.decode_groups(wire.encode_groups(context.groups)), "groups that went over the wire"
    )
    _need_bits(
        context.together, wire.decode_rankings(wire.encode_rankings(rankings)), "asked here and over the wire"
    )


def prepared_ahead(context: CheckContext) -> None:
    """Images that were prepared in threads, the last first, before others were scored get the same scores."""
    ranker: Any = context.ranker
    groups = [copy_of(group) for group in context.groups]
    images = [image for group in groups for image in group.images]
    made = {id(image): one for image, one in prefetch(images[::-1], partial(make, prepare_of(ranker)))}
    context.ask(context.groups, "the same groups while others are prepared")
    prepared = [
        PreparedGroup(
            group.prompt,
            group.images,
            group.id,
            group.names,
            group.metadata,
            tuple((image, made[id(image)]) for image in group.images),
            ranker,
        )
        for group in groups
    ]
    rankings = check_rankings(ranker.rank(prepared), groups, "it")
    _need_bits(context.together, rankings, "its images prepared as they were scored and long before")


def options(context: CheckContext) -> None:
    """An option that no ranker has is refused by name."""
    assert context.reload is not None
    try:
        context.reload(**{UNKNOWN_OPTION: 1})
    except RankkitError as error:
        if UNKNOWN_OPTION in str(error):
            return
        raise Unexpected(f"the error does not name the option {UNKNOWN_OPTION}: {error}") from error
    raise Unexpected(f"it was built with {UNKNOWN_OPTION}=1, as if there were such an option")


def _need_bits(expected: Sequence[Ranking], got: Sequence[Ranking], what: str) -> None:
    for a, b in zip(expected, got, strict=True):
        if _bits(a) != _bits(b):
            raise Unexpected(f"{what}, it ranked {str(a)[:150]} and then {str(b)[:150]}")


def _bits(ranking: Ranking) -> object:
    return ranking.kind, [
        [number.hex() for number in numbers] for numbers in (ranking.scores, ranking.stderr or ())
    ]


def _pick(group: Group, places: Sequence[int]) -> Group:
    return replace(
        group,
        images=tuple(group.images[i] for i in places),
        names=tuple(group.names[i] for i in places if group.names),
    )


def _state(group: Group) -> dict[str, object]:
    fields = {name: getattr(group, name) for name in ("prompt", "id", "names", "metadata")}
    return {
        **fields,
        **{f"the pixels (sha256) of image {i}": content_hash(image) for i, image in enumerate(group.images)},
    }
