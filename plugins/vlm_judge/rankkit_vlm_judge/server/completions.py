"""What a chat completion says: the text, the first token's alternatives, the tokens used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from rankkit_vlm_judge.budget import Usage
from rankkit_vlm_judge.replies import Reply
from rankkit_vlm_judge.server.failures import Failed
from rankkit_vlm_judge.verdicts import spoken

# fields of a message in which servers put thoughts
REASONING = ("reasoning_content", "reasoning", "thinking")
# parts of a message that were said, and that were thought
SPOKEN, THOUGHT = ("text", "output_text"), ("thinking", "reasoning")
LARGEST = 10**12  # tokens of an answer; a larger number is a mistake
CUT = ("max_tokens", "max_output_tokens", "model_length")  # what others call "length"
FILTERED = ("content_filter", "safety", "refusal", "recitation", "prohibited_content", "blocklist", "spii")


def read(answer: Any) -> Reply:
    """The reply in a chat completion. Raises `Failed` where it is none."""
    try:
        choice = answer["choices"][0]
        message = choice.get("message") or {}
        finish = str(choice.get("finish_reason") or "").lower()
        if finish == "error":
            raise Failed(
                "transport", "the server broke off in the middle of the answer (finish_reason: error)"
            )
        finish = "length" if finish in CUT else finish
        refusal = bool(message.get("refusal")) or finish in FILTERED
        thoughts = "".join(each for name in REASONING if isinstance(each := message.get(name), str))
        thoughts += _text(message.get("content"), THOUGHT)
        content = _text(message.get("content"))
        text = spoken(content, thoughts) or str(message.get("refusal") or "")
        top = () if thoughts.strip() else _top(choice.get("logprobs"))  # else of the first thought
        usable = all(value < 0.01 for _, value in top) and math.fsum(math.exp(each) for _, each in top) < 1.02
        thought = bool(thoughts.strip()) or spoken(content) != content
        tokens = (usage_of(answer) or Usage()).tokens
        error = "" if usable else f"its log-probabilities are none: {dict(top)}"[:200]
        top = top if usable else ()
        return Reply(text, top, finish, refusal, tokens, None, error, thought, _unlisted(top))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise Failed(
            "transport", f"the answer is not a chat completion ({type(error).__name__}: {str(answer)[:100]})"
        ) from None


def _text(content: object, kinds: Sequence[str] = SPOKEN) -> str:
    """A message's content: a text, which was said, or the parts of these kinds in a list."""
    if isinstance(content, list):
        parts = [part if isinstance(part, Mapping) else {"text": part} for part in content]
        found = [part for part in parts if part.get("type", "text") in kinds]
        texts = [part.get("text") or part.get(str(part.get("type"))) for part in found]
        return "".join(_text(text) if isinstance(text, list) else text for text in texts if _is_text(text))
    if not isinstance(content, str | None):
        raise TypeError("its content is no text")
    return (content or "") if kinds is SPOKEN else ""


def _is_text(found: object) -> TypeGuard[str | list[object]]:
    return isinstance(found, (str, list))


def _top(logprobs: Any) -> tuple[tuple[str, float], ...]:
    """(token, log-probability) of the likeliest first tokens that have one; NaN for what is no number.

    None where they come in another form than OpenAI's.
    """
    try:
        first = logprobs["content"][0]
        listed = [each for each in first["top_logprobs"] or () if each["logprob"] is not None]
        found = [(str(each["token"]), _number(each["logprob"])) for each in listed]
    except (KeyError, IndexError, TypeError, AttributeError):
        return ()  # in no form that is known
    return tuple(dict.fromkeys(found))  # the token that was drawn is listed twice by some


def _unlisted(top: tuple[tuple[str, float], ...]) -> float:
    """The most that a token can have which is not listed: no more than the last that is, nor than is left."""
    listed = [math.exp(value) for _, value in top]
    return max(0.0, min(1 - math.fsum(listed), *listed)) if listed else 1.0


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def usage_of(answer: Any) -> Usage | None:
    """The tokens that an answer says it used; None where it does not say."""
    found = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(found, dict):
        return None
    read, written, both = (
        int(value) if isinstance(value := found.get(name), (int, float)) and 0 <= value < LARGEST else None
        for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    if read is None and written is None:
        return None if both is None else Usage(either=both)
    return Usage(read or 0, written or 0)
