"""What came back, and what it says: log-probabilities of a first token, or a text with a verdict."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Literal

from rankkit_vlm_judge.questions import Labels, variants

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

TAIL = 4000  # a verdict stands among the last characters of a text
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
    error: str = field(default="")


def spoken(content: str, thoughts: str = "") -> str:
    """What a model said once it had thought: what follows the last ``</think>``, opened or not.

    `thoughts` is what a server set apart; where the end of thinking stands there, what follows it was said.

    >>> spoken("Rather B.</think> A"), spoken("", "Rather B.</think>A"), spoken("A", "B?"), spoken("<think>B")
    (' A', 'A', 'A', '')
    """
    said = content
    if not _THOUGHT.search(content) and _THOUGHT.search(thoughts):
        said = _THOUGHT.split(thoughts)[-1] + content
    return _THINKS.split(_THOUGHT.split(said)[-1])[0]


_THINKS = re.compile(r"<think(?:ing)?\s*>|◁think▷|\[THINK\]", re.IGNORECASE)
_THOUGHT = re.compile(r"</think(?:ing)?\s*>|◁/think▷|\[/THINK\]", re.IGNORECASE)


def from_top(reply: Reply, labels: Labels) -> Judgement:
    """P(first) = P(its tokens) / P(tokens of either), and that sum as the mass.

    A label that is not listed leaves it low.
    """
    masses = [
        math.fsum(math.exp(value) for token, value in reply.top if token in variants(label))
        for label in labels
    ]
    mass = math.fsum(masses)
    if reply.refusal:
        return _refused(reply)
    if mass < MASS or not all(masses):
        error = reply.error or (
            f"the first token was {labels[0]} or {labels[1]} with probability {mass:.2f} only; "
            f"the model would rather say {reply.text!r}"
        )
        return Judgement(
            "low_mass", mass=mass, text=reply.text, finish=reply.finish, tokens=reply.tokens, error=error
        )
    return Judgement("ok", masses[0] / mass, mass, reply.text, reply.finish, reply.tokens)


def from_text(reply: Reply, labels: Labels) -> Judgement:
    """1 or 0 by the verdict that a text ends in; without one: refused, truncated or unparsed."""
    text = spoken(reply.text)
    label = parse(text, labels)
    cut = reply.finish == "length" and len(text.split()) > 4
    if label is not None and not reply.refusal and not cut:
        return Judgement("ok", float(label == labels[0]), 1.0, reply.text, reply.finish, reply.tokens)
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
        return Judgement("truncated", text=reply.text, finish=reply.finish, tokens=reply.tokens, error=error)
    if _REFUSAL.search(text[:400]):
        return _refused(reply)
    empty = "the answer is empty after the thinking" if reply.thought else "the answer is empty"
    error = f"no {what} could be read from {text[-shown:]!r}" if text.strip() else empty
    return Judgement("unparsed", text=reply.text, finish=reply.finish, tokens=reply.tokens, error=error)


def parse(text: str, labels: Labels) -> str | None:
    r"""The label that a text gives as its verdict, or None where there is none or there are both.

    A verdict is a line "Answer: B" (verdict, winner, choice …, in any dress), a JSON field of such a name, a
    \boxed{} or <answer> label, or a line that holds nothing but the label. Letters within sentences are
    ignored, unless a sentence behind the verdict takes it back.

    >>> parse("**Answer:** Image B.", ("A", "B")), parse("A or B", ("A", "B"))
    ('B', None)
    """
    text = _ENDS.sub("", _OPENED.sub("<answer>", _CLOSED.sub("</answer>", text)))
    either = "|".join(map(re.escape, labels))
    dressed = rf"{_DRESS}(?:image|picture|option)?{_DRESS}({either}){_DRESS}"
    led = rf"{_NOUN}(?:[\s_]+(?:image|picture|option))?(?:{_DRESS}\bis\b|\s?[:=])?"
    stated = rf"{_DRESS}{led}(?:{_DRESS}{led})?{dressed}"
    wins = r"(?:wins|is(?:\s+the)?\s+(?:better|best|preferred|winner))"
    whole = rf"{_DRESS}(?:{led}{_DRESS})?(?:image|picture)\s+({either})\s+{wins}{_DRESS}"
    field = rf"[\"']{_NOUN}(?:[\s_]+(?:image|picture|option))?[\"']\s?:\s?[\"']{dressed}[\"']"
    boxed = rf"\\boxed\s?{{(?:\\\w{{1,9}}\s?{{)?{dressed}}}"
    tagged = rf"<answer>(?:{_DRESS}{led})?{dressed}</answer>"
    named = rf"(?:image[ ]|picture[ ])?({either})"
    retold = rf"\b(?:{_NOUN}[ ](?:is|would be)[ ](?:the[ ])?{named}|{named}[ ]{wins})\b"
    for pattern in (rf"^{stated}$|^{whole}$|{field}|{boxed}|{tagged}", rf"^{dressed}$"):
        matches = list(re.finditer(pattern, text[-TAIL:], re.IGNORECASE | re.MULTILINE))
        if matches:
            later = re.finditer(retold, text[-TAIL:][matches[-1].end() :], re.IGNORECASE)
            found = [group for match in (*matches, *later) for group in match.groups() if group]
            said = {label for each in found for label in labels if each.casefold() == label.casefold()}
            return said.pop() if len(said) == 1 else None
    return None


# what models put around an answer (GLM's box), and what servers leave of their templates at its end
_OPENED, _CLOSED = re.compile(r"<\|begin_of_box\|>"), re.compile(r"<\|end_of_box\|>")
_ENDS = re.compile(
    r"(?:<\|(?:im_end|endoftext|eot_id|end_of_text|eom_id|end)\|>|</s>|<end_of_turn>|<eos>|\s){1,20}\Z"
)
_DRESS = r"(?:[^\w?？]|_){0,9}"  # stars, quotes, spaces, and no doubt; bounded, so that no text takes long
_NOUN = (
    r"(?:(?:my|the|final|best|better|preferred)[\s_]+){0,3}"
    r"(?:answer|verdict|winner|choice|decision|better|preferred|preference)"
)
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
    return Judgement("refused", text=reply.text, finish=reply.finish, tokens=reply.tokens, error=error)
