"""A question as it was published: its words and images, and how its answer is read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rankkit_vlm_judge.questions import Asked
from rankkit_vlm_judge.replies import Judgement, Reply, settled, unread, unsettled
from rankkit_vlm_judge.verdicts import spoken


@dataclass(frozen=True)
class Published(Asked):
    """What a model is shown, and nothing else."""

    def read(self, reply: Reply) -> Judgement:
        """What an answer comes to."""
        raise AssertionError(f"{type(self).__name__} must define read()")


@dataclass(frozen=True)
class Likely(Published):
    """A question that the probability of an answer decides, among all first tokens that there are.

    `answer`: ways to write it, whose probabilities are added. `first`: one of several tokens counts by the
    first of them; else only those count that are one token.
    """

    answer: tuple[str, ...]
    first: bool = False

    @property
    def answers(self) -> tuple[tuple[str, ...], ...]:
        """The one answer, in all its ways."""
        return (self.answer,)

    @property
    def cut(self) -> bool:
        """As said at the start."""
        return self.first

    @property
    def content(self) -> list[object]:
        """As for any, with the answer."""
        return [*super().content, list(self.answer)]

    def read(self, reply: Reply) -> Judgement:
        """``p`` is the probability; ``mass`` the most that it can be where a server lists few tokens only."""
        if not reply.top:
            error = reply.error or f"the answer {reply.text[:80]!r} came without log-probabilities"
            return unsettled(reply, "low_mass", error)
        listed = [math.exp(value) for token, value in reply.top if token in self.answer]
        least = min(1.0, math.fsum(listed))
        most = min(1.0, least + (len(self.answer) - len(listed)) * reply.unlisted)
        return settled(reply, least, most)


@dataclass(frozen=True)
class Written(Published):
    """A question that a text answers. `numbers` reads numbers by name from it, None where it has them not."""

    numbers: Callable[[str], dict[str, float] | None]
    what: str = "score"

    def read(self, reply: Reply) -> Judgement:
        """A verdict whose text has the numbers; or why there are none, with the end of the text."""
        if reply.finish == "length" or reply.refusal or self.numbers(spoken(reply.text)) is None:
            return unread(reply, self.what, shown=300)
        return settled(reply, math.nan)

    def said(self, verdict: Judgement) -> dict[str, float] | None:
        """The numbers of a verdict; None where it has none."""
        return self.numbers(spoken(verdict.text)) if verdict.outcome == "ok" else None


def known(verdict: Judgement, within: float = 0.01) -> bool:
    """Whether a probability is known to so much."""
    return verdict.mass - verdict.p <= within


def between(least: float, most: float, what: str) -> dict[str, Any]:
    """Details of an abstention: a server's short list of tokens leaves open what a number is."""
    return {
        "error": f"low_mass: {what} is between {least:.3f} and {most:.3f}: the server lists too few of the "
        "first tokens; allow more (vLLM: --max-logprobs), or load the model here with model=",
        "failure": "low_mass",
    }
