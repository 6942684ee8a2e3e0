"""What came back, and what it says: log-probabilities of a first token, or a text with a verdict."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from rankkit_vlm_judge.questions import Labels, variants
from rankkit_vlm_judge.verdicts import BLIND, parse, spoken

Outcome = Literal[
    "ok",
    "low_mass",
    "unparsed",
    "refused",
    "truncated",
    "rate_limited",
    "transport",
    "timeout",
    "rejected",
    "oversized",
    "other_model",
]

MORE = "allow more with max_answer_tokens="
MASS = 0.5  # below it the labels are not what the model wanted to say


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one call.

    `top` holds (token, natural-log probability) of the most likely first tokens, if asked for. `unlisted` is
    the probability that a token which is not among them has at most.

    `failure` is set where there is no answer at all, with `error` in words, which may also say why there are
    no log-probabilities. `thought`: whether the model
    thought before it answered; `text` is without those thoughts.
    """

    text: str = ""
    top: tuple[tuple[str, float], ...] = ()
    finish: str = ""
    refusal: bool = False
    tokens: int = 0
    failure: Outcome | None = None
    error: str = ""
    thought: bool = False
    unlisted: float = 0.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a question came to: P(first label), or an outcome that says why there is none.

    `mass` is the probability that the first token was a label at all (1 in text mode), `tokens` what all its
    calls cost.
    """

    outcome: Outcome
    p: float = math.nan
    mass: float = math.nan
    text: str = ""
    finish: str = ""
    tokens: int = 0
    error: str = ""


def settled(reply: Reply, p: float, mass: float = 1.0) -> Judgement:
    """What a reply comes to that says P(first label), or whatever `p` is."""
    return Judgement("ok", p, mass, reply.text, reply.finish, reply.tokens)


def unsettled(reply: Reply, outcome: Outcome, error: str, mass: float = math.nan) -> Judgement:
    """What a reply comes to that says nothing of use, and why."""
    return Judgement(outcome, math.nan, mass, reply.text, reply.finish, reply.tokens, error)


def from_top(reply: Reply, labels: Labels) -> Judgement:
    """P(first) = P(its tokens) / P(tokens of either), and that sum as the mass.

    A label that is not listed leaves it low.
    """
    masses = [
        math.fsum(math.exp(value) for token, value in reply.top if token in variants(label))
        for label in labels
    ]
    mass = math.fsum(masses)
    listed = [any(token in variants(label) for token, _ in reply.top) for label in labels]
    if reply.refusal:
        return _refused(reply)
    if mass < MASS or not all(listed):
        error = reply.error or (
            f"the first token was {labels[0]} or {labels[1]} with probability {mass:.2f} only; "
            f"the model would rather say {reply.text!r}"
        )
        return unsettled(reply, "low_mass", error, mass)
    return settled(reply, masses[0] / mass, mass)


def from_text(reply: Reply, labels: Labels) -> Judgement:
    """1 or 0 by the verdict that a text ends in; without one: refused, truncated or unparsed.

    Rejected where the model says that no image came to it: what it says then is a guess.
    """
    text = spoken(reply.text)
    label = parse(text, labels)
    if blind := BLIND.search(text):
        error = f"the model says that it sees no image: {' '.join(blind.group().split())!r}"
        return unsettled(reply, "rejected", error)
    cut = reply.finish == "length" and len(text.split()) > 4
    if label is not None and not reply.refusal and not cut:
        return settled(reply, float(label == labels[0]))
    return unread(reply, "verdict")


def unread(reply: Reply, what: str, shown: int = 80) -> Judgement:
    """Why a text has no verdict, or whatever `what` is: refused, truncated or unparsed.

    The error shows at most the last `shown` characters.
    """
    text = spoken(reply.text)
    if reply.refusal:
        return _refused(reply)
    if reply.finish == "length":
        error = f"the answer was cut off after {len(text)} characters; {MORE}"
        if not text.strip():
            error = f"all tokens of the answer went into thinking; {MORE}, or ask without: thinking=off"
        return unsettled(reply, "truncated", error)
    if _REFUSAL.search(text[:400]):
        return _refused(reply)
    empty = "the answer is empty after the thinking" if reply.thought else "the answer is empty"
    error = f"no {what} could be read from {text[-shown:]!r}" if text.strip() else empty
    return unsettled(reply, "unparsed", error)


_REFUSAL = re.compile(
    r"\b(?:sorry|apologi[sz]e|(?:can(?:no|')?t|can not|unable to|won't|not able to) (?:\w+ ){0,2}"
    r"(?:assist|help|comply|judge|compare|answer|process|evaluate|provide|view|see))\b",
    re.IGNORECASE,
)


def _refused(reply: Reply) -> Judgement:
    error = (
        f"the model refused: {' '.join(reply.text.split())[:120]!r}"
        if reply.text.strip()
        else "the model's content filter refused"
    )
    return unsettled(reply, "refused", error)
