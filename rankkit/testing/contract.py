"""What every ranker must do: a check each, with an id, a sentence, and advice for where it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rankkit.core.rankers import Pointwise
from rankkit.core.stated import needs_prompt, two_stages
from rankkit.testing import checks
from rankkit.testing.context import CheckContext, need_reasons


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
        lambda context: need_reasons(context.together),
        'put it into details[i]["error"]',
    ),
    Check(
        "opinion",
        "some images get a score",
        checks.opinion,
        "see why it fails, or give groups=[...] that it can judge",
    ),
    Check(
        "deterministic",
        "the same groups get the same scores, to the bit",
        checks.deterministic,
        "seed what is random; keep nothing between calls",
    ),
)
EVERY = (
    Check(
        "images-matter",
        "different images get different scores",
        checks.images_matter,
        "see whether its weights are all zeros",
    ),
    Check(
        "batches",
        "the other groups of a call do not matter",
        checks.batches,
        "rank each group by itself; see also tolerance=",
    ),
    Check(
        "order",
        "the order of the images does not matter",
        checks.order,
        "judge images in an order of their own; see also tolerance=",
    ),
    Check(
        "ties", "identical images tie", checks.ties, "give equal images equal scores, whatever their place"
    ),
    Check(
        "inputs",
        "the groups are left as they were",
        checks.inputs,
        "work on copies: image.copy(), dict(group.metadata)",
    ),
    Check(
        "empty",
        "no groups, and groups without images, are answered",
        checks.empty,
        "return [] for no groups and Ranking(()) for no images",
    ),
    Check(
        "single",
        "a group of one image is answered",
        checks.single,
        "one image gets one score, or NaN with a reason",
    ),
    Check(
        "sizes",
        "images of any size are answered",
        checks.sizes,
        "resize them, or abstain with NaN and a reason",
    ),
    Check(
        "prompts",
        "any prompt is answered",
        checks.prompts,
        "truncate it and say so in details, or abstain with NaN and a reason",
    ),
    Check(
        "wire",
        "scores over the wire are the same",
        checks.over_the_wire,
        "use only pixels, prompt, id, names and metadata; keep details to what JSON can hold",
    ),
)
POINTWISE = Check(
    "companions",
    "an image's score does not depend on its companions",
    checks.companions,
    "score each by itself, or say kind = 'listwise'",
)
PROMPTED = Check(
    "prompts-matter",
    "another prompt changes some score",
    checks.prompts_matter,
    "see whether the prompt reaches the model, or say needs_prompt = False",
)
STAGED = Check(
    "two-stages",
    "what is prepared long before it is scored gets the same scores",
    checks.prepared_ahead,
    "let prepare(image) return all that score needs, and keep nothing in between",
)
RELOADED = Check(
    "options",
    "an unknown option is refused by name when it is loaded",
    checks.options,
    "raise a RankkitError that names the option",
)
ALL = (*FOUNDATIONS, *EVERY, POINTWISE, PROMPTED, STAGED, RELOADED)


def due(context: CheckContext) -> Iterator[Check]:
    """The checks of this ranker: those of its kind, and that of its options where it can be built anew."""
    yield from FOUNDATIONS
    yield from EVERY
    if context.pointwise:
        yield POINTWISE
    if needs_prompt(context.ranker):
        yield PROMPTED
    if isinstance(context.ranker, Pointwise) and two_stages(context.ranker):
        yield STAGED
    if context.reload is not None:
        yield RELOADED
