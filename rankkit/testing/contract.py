"""What every ranker promises: a sentence each, a check of it, and what to do where it is broken.

A check raises `Complaint` with what it saw. Every call gets fresh copies of the groups: one broken promise
does not look like another.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

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


class Promise(NamedTuple):
    """A sentence that a ranker keeps, a check that raises where it does not, and advice for its author."""

    sentence: str
    check: Callable[[Trial], object]
    advice: str


class Complaint(Exception):
    """What was observed instead of what was promised."""


@dataclass
class Trial:
    """One ranker, what it is asked to rank, and what it said; rank() is called when an answer is first
    needed.
    """

    ranker: Ranker
    groups: list[Group]
    reload: Reload | None
    tolerance: float

    @cached_property
    def together(self) -> list[Ranking]:
        """The rankings of all groups in one call."""
        return self.answers(self.groups, "the sample groups")

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
            getattr(self.ranker, "kind", "listwise"),
            *(ranking.kind for ranking in self.together),
        }

    def ask(self, groups: Sequence[Group], given: str) -> list[Ranking]:
        """Rank copies of these groups, and insist that abstentions come with reasons;
        `given` says in words what they are.
        """
        rankings = self.answers(groups, given)
        _need_reasons(rankings, given)
        return rankings

    def answers(self, groups: Sequence[Group], given: str) -> list[Ranking]:
        """Rank copies of these groups, and insist on one ranking each with one score per image."""
        try:
            rankings = self.ranker.rank([_copy(group) for group in groups])
        except Exception as error:
            raise Complaint(f"given {given}, rank() raised {type(error).__name__}: {error}") from error
        if not isinstance(rankings, Sequence) or not all(
            isinstance(ranking, Ranking) for ranking in rankings
        ):
            raise Complaint(f"given {given}, rank() returned {str(rankings)[:80]}, not a list of Ranking")
        sizes, images = [len(ranking.scores) for ranking in rankings], [len(group.images) for group in groups]
        if sizes != images:
            raise Complaint(f"given {given}, groups of {images} images got rankings of {sizes} scores")
        return list(rankings)

    def need_same(self, expected: Sequence[float], got: Sequence[float], what: str) -> None:
        """Scores agree to `tolerance` of their spread, and of what float32 resolves at their size;
        abstentions agree exactly.
        """
        known = [score for score in expected if not math.isnan(score)] or [0.0]
        allowed = self.tolerance * (max(known) - min(known) + max(map(abs, known)) / 10)
        for i, (a, b) in enumerate(zip(expected, got, strict=True)):
            if math.isnan(a) != math.isnan(b) or abs(a - b) > allowed:
                raise Complaint(
                    f"{what}, image {i} scored {a!r} and then {b!r} (allowed is a difference of {allowed:.2g})"
                )


def _opinion(trial: Trial) -> None:
    if all(math.isnan(score) for ranking in trial.together for score in ranking.scores):
        reasons = [found["error"] for ranking in trial.together for found in ranking.details]
        raise Complaint(f"it abstained on all {len(reasons)} images, saying {reasons[0][:200]!r}")


def _deterministic(trial: Trial) -> None:
    _need_bits(trial.together, trial.ask(trial.groups, "the same groups again"), "asked twice")


def _batches(trial: Trial) -> None:
    for group, together, alone in zip(trial.groups, trial.together, trial.alone, strict=True):
        trial.need_same(
            alone.scores,
            together.scores,
            f"group {group.id!r} ranked alone and with {len(trial.groups) - 1} others",
        )


def _order(trial: Trial) -> None:
    for group, ranking in zip(trial.groups, trial.alone, strict=True):
        places = list(range(len(group.images)))
        for order in (places[::-1], places[1:] + places[:1]):
            (moved,) = trial.ask([_pick(group, order)], f"group {group.id!r} in the order {order}")
            trial.need_same(
                [ranking.scores[i] for i in order], moved.scores, f"group {group.id!r} in the order {order}"
            )


def _inputs(trial: Trial) -> None:
    given = [_copy(group) for group in trial.groups]
    kept = list(given)
    trial.ranker.rank(given)
    if given != kept:
        raise Complaint("the list of groups is another one after rank()")
    for before, after in zip(trial.groups, kept, strict=True):
        now = _state(after)
        for name, value in _state(before).items():
            if now.get(name) != value:
                raise Complaint(
                    f"{name} of group {before.id!r} was {str(value)[:80]} and is {str(now.get(name))[:80]} after rank()"
                )


def _empty(trial: Trial) -> None:
    nothing = replace(trial.subject, images=(), names=())
    trial.ask([], "no groups")
    trial.ask([nothing], "a group without images")
    trial.ask([trial.subject, nothing, trial.subject], "a group without images between two others")


def _single(trial: Trial) -> None:
    trial.ask([_pick(group, [0]) for group in trial.groups if group.images], "groups of one image")


def _companions(trial: Trial) -> None:
    for group, ranking in zip(trial.groups, trial.alone, strict=True):
        singles = [
            trial.ask([_pick(group, [i])], f"image {i} of group {group.id!r} alone")[0]
            for i in range(len(group.images))
        ]
        trial.need_same(
            ranking.scores,
            [single.scores[0] for single in singles],
            f"group {group.id!r} ranked as a whole and image by image",
        )


def _ties(trial: Trial) -> None:
    for group in trial.groups:
        n, given = len(group.images), f"every image of group {group.id!r} twice"
        (ranking,) = trial.ask([_pick(group, [*range(n), *range(n)])], given)
        trial.need_same(ranking.scores[:n], ranking.scores[n:], f"given {given}")


def _sizes(trial: Trial) -> None:
    usual, other = trial.subject.images[:2]
    for width, height in SIZES:
        group = replace(trial.subject, images=(usual.resize((width, height)), other), names=())
        trial.ask([group], f"an image of {width}x{height} and one of {other.width}x{other.height}")


def _prompts(trial: Trial) -> None:
    for what, prompt in PROMPTS.items():
        trial.ask([replace(trial.subject, prompt=prompt)], what)


def _wire(trial: Trial) -> None:
    rankings = trial.ask(
        wire.decode_groups(wire.encode_groups(trial.groups)), "groups that went over the wire"
    )
    _need_bits(
        trial.together, wire.decode_rankings(wire.encode_rankings(rankings)), "asked here and over the wire"
    )


def _options(trial: Trial) -> None:
    assert trial.reload is not None
    try:
        trial.reload(**{UNKNOWN_OPTION: 1})
    except RankkitError as error:
        if UNKNOWN_OPTION in str(error):
            return
        raise Complaint(f"the error does not name the option {UNKNOWN_OPTION}: {error}") from error
    raise Complaint(f"it was built with {UNKNOWN_OPTION}=1, as if there were such an option")


def _need_reasons(rankings: Sequence[Ranking], given: str = "the sample groups") -> None:
    for ranking in rankings:
        for i, score in enumerate(ranking.scores):
            reason = ranking.details[i].get("error") if ranking.details else None
            if math.isnan(score) and not (isinstance(reason, str) and reason):
                raise Complaint(f"given {given}, score {i} is NaN and its error is {reason!r}")


def _need_bits(expected: Sequence[Ranking], got: Sequence[Ranking], what: str) -> None:
    for a, b in zip(expected, got, strict=True):
        if _bits(a) != _bits(b):
            raise Complaint(f"{what}, it said {str(a)[:150]} and then {str(b)[:150]}")


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
        **{f"the picture (sha256) of image {i}": content_hash(image) for i, image in enumerate(group.images)},
    }


FOUNDATIONS = (
    Promise(
        "rank() returns one ranking per group",
        lambda trial: trial.together,
        "return one Ranking per group, with one score per image",
    ),
    Promise(
        "a score is finite, or NaN with a reason",
        lambda trial: _need_reasons(trial.together),
        'put it into details[i]["error"]',
    ),
    Promise(
        "it has an opinion on some images",
        _opinion,
        "see why it fails, or give groups=[...] that it can judge",
    ),
    Promise(
        "the same groups get the same scores, to the bit",
        _deterministic,
        "seed what is random; keep nothing between calls",
    ),
)
EVERY = (
    Promise(
        "the other groups of a call do not matter", _batches, "rank each group by itself; see also tolerance="
    ),
    Promise(
        "the order of the images does not matter",
        _order,
        "judge images in an order of their own; see also tolerance=",
    ),
    Promise("identical images tie", _ties, "give equal pictures equal scores, whatever their place"),
    Promise(
        "the groups are left as they were", _inputs, "work on copies: image.copy(), dict(group.metadata)"
    ),
    Promise(
        "no groups, and groups without images, are answered",
        _empty,
        "return [] for no groups and Ranking(()) for no images",
    ),
    Promise("a group of one image is answered", _single, "one image gets one score, or NaN with a reason"),
    Promise("images of any size are answered", _sizes, "resize them, or abstain with NaN and a reason"),
    Promise(
        "any prompt is answered",
        _prompts,
        "truncate it and say so in details, or abstain with NaN and a reason",
    ),
    Promise(
        "it survives the wire",
        _wire,
        "use only pixels, prompt, id, names and metadata; keep details to what JSON can hold",
    ),
)
POINTWISE = Promise(
    "an image's score does not depend on its companions",
    _companions,
    "score each by itself, or say kind = 'listwise'",
)
RELOADED = Promise(
    "an unknown option is refused by name when it is loaded",
    _options,
    "raise a RankkitError that names the option",
)


def due(trial: Trial) -> Iterator[Promise]:
    """The promises that this ranker makes: those of its kind, and that of its options where it can be built
    anew.
    """
    yield from FOUNDATIONS
    yield from EVERY
    if trial.pointwise:
        yield POINTWISE
    if trial.reload is not None:
        yield RELOADED
