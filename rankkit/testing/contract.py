"""What every ranker must do: a check each, with an id, a sentence, and advice for where it fails.

A check raises `Unexpected` with what it saw. Every call gets fresh copies of the groups: one failure does not
look like another.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from PIL import Image

from rankkit.core.binding import describe
from rankkit.core.calling import check_rankings
from rankkit.core.stated import kind_of, needs_prompt
from rankkit.core.types import Group, Ranker, Ranking
from rankkit.errors import RankkitError
from rankkit.remote import wire
from rankkit.testing.samples import content_hash

Reload = Callable[..., object]

SIZES = ((1, 1), (1, 64), (64, 1), (7, 300), (96, 32))  # width, height
PROMPTS = {
    "an empty prompt": "",
    "a blank prompt": " \t\n",
    "emoji and several scripts": "🦊🏽 👩‍👩‍👧‍👦 🇺🇳, 一只红色的狐狸, лиса, ثعلب, q̈u̇ị̃c̊k̃",
    "a prompt of 10 000 characters": ("a red circle on white, " * 500)[:10_000],
}
UNKNOWN_OPTION = "an_option_no_ranker_has"


@dataclass(frozen=True)
class Check:
    """One thing that a ranker must do.

    `run` raises `Unexpected` where it does not, and `advice` is for its author.

    `since` is the version of rankkit that brought it: through that minor version a failure only warns.
    """

    id: str
    sentence: str
    run: Callable[[CheckContext], object]
    advice: str
    since: str = "0.0"


class Unexpected(Exception):
    """What was observed instead of what every ranker must do."""


@dataclass
class CheckContext:
    """One ranker, what it is asked to rank, and its rankings.

    rank() is called when a ranking is first needed.
    """

    ranker: Ranker
    groups: list[Group]
    reload: Reload | None
    tolerance: float

    @cached_property
    def together(self) -> list[Ranking]:
        """The rankings of all groups in one call."""
        return self.rankings(self.groups, "the sample groups")

    @cached_property
    def alone(self) -> list[Ranking]:
        """The rankings of all groups, one call each."""
        return [self.ask([group], f"group {group.id!r} alone")[0] for group in self.groups]

    @cached_property
    def subject(self) -> Group:
        """A group with something to order."""
        return next(group for group in self.groups if len(group.images) > 1)

    @property
    def pointwise(self) -> bool:
        """Whether the ranker, or any ranking of its, says that it scores image by image."""
        return "pointwise" in {
            kind_of(self.ranker),
            *(ranking.kind for ranking in self.together),
        }

    def ask(self, groups: Sequence[Group], given: str) -> list[Ranking]:
        """Rank copies of these groups, and insist that abstentions come with reasons;

        `given` says in words what they are.
        """
        rankings = self.rankings(groups, given)
        _need_reasons(rankings, given)
        return rankings

    def rankings(self, groups: Sequence[Group], given: str) -> list[Ranking]:
        """Rank copies of these groups, and insist on one ranking each with one score per image."""
        try:
            answer = self.ranker.rank([_copy(group) for group in groups])
        except (Exception, SystemExit) as error:
            raise Unexpected(f"given {given}, rank() raised {describe(error)}") from error
        try:
            return check_rankings(answer, groups, "it")
        except RankkitError as error:
            raise Unexpected(f"given {given}, {str(error).partition(';')[0]}") from error

    def need_same(self, expected: Sequence[float], got: Sequence[float], what: str) -> None:
        """Scores agree to `tolerance` of their spread, and of what float32 resolves at their size.

        Abstentions agree exactly.
        """
        known = [score for score in expected if not math.isnan(score)] or [0.0]
        allowed = self.tolerance * (max(known) - min(known) + max(map(abs, known)) / 10)
        for i, (a, b) in enumerate(zip(expected, got, strict=True)):
            if math.isnan(a) != math.isnan(b) or abs(a - b) > allowed:
                raise Unexpected(
                    f"{what}, image {i} scored {a!r} and then {b!r} (allowed is a difference "
                    f"of {allowed:.2g})"
                )


def _opinion(context: CheckContext) -> None:
    if all(math.isnan(score) for ranking in context.together for score in ranking.scores):
        reasons = [found["error"] for ranking in context.together for found in ranking.details]
        raise Unexpected(f"it abstained on all {len(reasons)} images, saying {reasons[0][:200]!r}")


def _images_matter(context: CheckContext) -> None:
    """A black image and a photo, or any two of the sample images, must not all score the same."""
    usual = context.subject.images[0]
    black = Image.new("RGB", usual.size)
    groups = [*context.groups, replace(context.subject, images=(black, usual), names=())]
    rankings = [*context.together, *context.ask(groups[-1:], "a black image and another")]
    known = [[score for score in ranking.scores if not math.isnan(score)] for ranking in rankings]
    distinct = (
        [set(scores) for scores in known]
        if not context.pointwise
        else [{score for scores in known for score in scores}]
    )
    if sum(map(len, known)) > 1 and all(len(scores) <= 1 for scores in distinct):
        value = next(iter(next(scores for scores in distinct if scores)))
        raise Unexpected(
            f"all {sum(map(len, known))} images scored {value!r}, a black one too: the image did not matter"
        )


def _prompts_matter(context: CheckContext) -> None:
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


def _deterministic(context: CheckContext) -> None:
    _need_bits(context.together, context.ask(context.groups, "the same groups again"), "asked twice")


def _batches(context: CheckContext) -> None:
    for group, together, alone in zip(context.groups, context.together, context.alone, strict=True):
        context.need_same(
            alone.scores,
            together.scores,
            f"group {group.id!r} ranked alone and with {len(context.groups) - 1} others",
        )


def _order(context: CheckContext) -> None:
    for group, ranking in zip(context.groups, context.alone, strict=True):
        places = list(range(len(group.images)))
        for order in (places[::-1], places[1:] + places[:1]):
            (moved,) = context.ask([_pick(group, order)], f"group {group.id!r} in the order {order}")
            context.need_same(
                [ranking.scores[i] for i in order], moved.scores, f"group {group.id!r} in the order {order}"
            )


def _inputs(context: CheckContext) -> None:
    given = [_copy(group) for group in context.groups]
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


def _empty(context: CheckContext) -> None:
    nothing = replace(context.subject, images=(), names=())
    context.ask([], "no groups")
    context.ask([nothing], "a group without images")
    context.ask([context.subject, nothing, context.subject], "a group without images between two others")


def _single(context: CheckContext) -> None:
    context.ask([_pick(group, [0]) for group in context.groups if group.images], "groups of one image")


def _companions(context: CheckContext) -> None:
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


def _ties(context: CheckContext) -> None:
    for group in context.groups:
        n, given = len(group.images), f"every image of group {group.id!r} twice"
        (ranking,) = context.ask([_pick(group, [*range(n), *range(n)])], given)
        context.need_same(ranking.scores[:n], ranking.scores[n:], f"given {given}")


def _sizes(context: CheckContext) -> None:
    usual, other = context.subject.images[:2]
    for width, height in SIZES:
        group = replace(context.subject, images=(usual.resize((width, height)), other), names=())
        context.ask([group], f"an image of {width}x{height} and one of {other.width}x{other.height}")


def _prompts(context: CheckContext) -> None:
    for what, prompt in PROMPTS.items():
        context.ask([replace(context.subject, prompt=prompt)], what)


def _wire(context: CheckContext) -> None:
    rankings = context.ask(
        wire.decode_groups(wire.encode_groups(context.groups)), "groups that went over the wire"
    )
    _need_bits(
        context.together, wire.decode_rankings(wire.encode_rankings(rankings)), "asked here and over the wire"
    )


def _options(context: CheckContext) -> None:
    assert context.reload is not None
    try:
        context.reload(**{UNKNOWN_OPTION: 1})
    except RankkitError as error:
        if UNKNOWN_OPTION in str(error):
            return
        raise Unexpected(f"the error does not name the option {UNKNOWN_OPTION}: {error}") from error
    raise Unexpected(f"it was built with {UNKNOWN_OPTION}=1, as if there were such an option")


def _need_reasons(rankings: Sequence[Ranking], given: str = "the sample groups") -> None:
    for ranking in rankings:
        for i, score in enumerate(ranking.scores):
            reason = ranking.details[i].get("error") if ranking.details else None
            if math.isnan(score) and not (isinstance(reason, str) and reason):
                raise Unexpected(f"given {given}, score {i} is NaN and its error is {reason!r}")


def _need_bits(expected: Sequence[Ranking], got: Sequence[Ranking], what: str) -> None:
    for a, b in zip(expected, got, strict=True):
        if _bits(a) != _bits(b):
            raise Unexpected(f"{what}, it ranked {str(a)[:150]} and then {str(b)[:150]}")


def _bits(ranking: Ranking) -> object:
    return ranking.kind, [
        [number.hex() for number in numbers] for numbers in (ranking.scores, ranking.stderr or ())
    ]


def _copy(group: Group) -> Group:
    return replace(
        group,
        images=tuple(image.copy() for image in group.images),
        metadata=copy.deepcopy(dict(group.metadata)),
    )


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


FOUNDATIONS = (
    Check(
        "shape",
        "rank() returns one ranking per group",
        lambda context: context.together,
        "return one Ranking per group, with one score per image",
    ),
    Check(
        "reasons",
        "a score is finite, or NaN with a reason",
        lambda context: _need_reasons(context.together),
        'put it into details[i]["error"]',
    ),
    Check(
        "opinion",
        "some images get a score",
        _opinion,
        "see why it fails, or give groups=[...] that it can judge",
    ),
    Check(
        "deterministic",
        "the same groups get the same scores, to the bit",
        _deterministic,
        "seed what is random; keep nothing between calls",
    ),
)
EVERY = (
    Check("images-matter", ("different images get different "
        "scores"), _images_matter, "see whether its weights are all zeros"),
    Check("batches", ("the other groups of a call do not "
        "matter"), _batches, "rank each group by itself; see also tolerance="),
    Check("order", ("the order of the images does not "
        "matter"), _order, "judge images in an order of their own; see also tolerance="),
    Check("ties", "identical images tie", _ties, "give equal images equal scores, whatever their place"),
    Check("inputs", ("the groups are left as they "
        "were"), _inputs, "work on copies: image.copy(), dict(group.metadata)"),
    Check("empty", ("no groups, and groups without images, are "
        "answered"), _empty, "return [] for no groups and Ranking(()) for no images"),
    Check("single", ("a group of one image is "
        "answered"), _single, "one image gets one score, or NaN with a reason"),
    Check("sizes", ("images of any size are "
        "answered"), _sizes, "resize them, or abstain with NaN and a reason"),
    Check("prompts", ("any prompt is "
        "answered"), _prompts, "truncate it and say so in details, or abstain with NaN and a reason"),
    Check(
        "wire", "scores over the wire are the same", _wire,
        "use only pixels, prompt, id, names and metadata; keep details to what JSON can hold",
    ),
)  # fmt: skip
POINTWISE = Check(
    "companions",
    "an image's score does not depend on its companions",
    _companions,
    "score each by itself, or say kind = 'listwise'",
)
PROMPTED = Check(
    "prompts-matter",
    "another prompt changes some score",
    _prompts_matter,
    "see whether the prompt reaches the model, or say needs_prompt = False",
)
RELOADED = Check(
    "options",
    "an unknown option is refused by name when it is loaded",
    _options,
    "raise a RankkitError that names the option",
)
ALL = (*FOUNDATIONS, *EVERY, POINTWISE, PROMPTED, RELOADED)


def due(context: CheckContext) -> Iterator[Check]:
    """The checks of this ranker: those of its kind, and that of its options where it can be built anew."""
    yield from FOUNDATIONS
    yield from EVERY
    if context.pointwise:
        yield POINTWISE
    if needs_prompt(context.ranker):
        yield PROMPTED
    if context.reload is not None:
        yield RELOADED
