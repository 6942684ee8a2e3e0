"""What a chat completion says: the text, the first token's alternatives, the tokens used."""

from __future__ import annotations

import math
import re
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
# why an answer ended, in the words of many servers: at a bound, by a filter, or broken off
CUT = re.compile(r"length|^max_|context_window|token_limit")
FILTERED = re.compile(
    r"filter|safety|sensitive|prohibited|recitation|refus|blocklist|spii|guardrail|moderation|no_image|flagged"
)
BROKEN = re.compile(
    r"error|abort|cancel|time.?out|timed|insufficient|exhaust|interrupt|fail|malformed|unexpected_|overload"
)


def read(answer: Any) -> Reply:
    """The reply in a chat completion. Raises `Failed` where it is none."""
    try:
        choice = answer["choices"][0]
        message = choice.get("message") or {}
        finish = _finish(choice)
        if BROKEN.search(finish) or (answer.get("error") and not finish):
            why = f"finish_reason: {finish}" if finish else str(answer["error"])[:200]
            raise Failed("transport", f"the server broke off in the middle of the answer ({why})")
        refusal = bool(message.get("refusal")) or bool(FILTERED.search(finish))
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
        if isinstance(answer, dict) and "choices" in answer and not answer["choices"]:
            raise Failed(
                "transport",
                "the answer is not a chat completion: it has no choice, as where a filter took it or all of "
                "its tokens went into thinking",
            ) from None
        raise Failed(
            "transport", f"the answer is not a chat completion ({type(error).__name__}: {str(answer)[:100]})"
        ) from None


def _finish(choice: Mapping[str, Any]) -> str:
    """Why an answer ended; "length" where it was cut.

    A gateway may call an end "stop" to which the model's own server gave another name: that counts then.
    """
    own = choice.get("provider_specific_fields")
    names = [choice.get("finish_reason"), choice.get("native_finish_reason"),
             own.get("native_finish_reason") if isinstance(own, Mapping) else None]  # fmt: skip
    named = [name.get("type") if isinstance(name, Mapping) else name for name in names]
    found = ["length" if CUT.search(name) else name for name in (str(name or "").lower() for name in named)]
    told = [name for name in found if name == "length" or FILTERED.search(name) or BROKEN.search(name)]
    return [*told, *found][0]


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


def served_as(answer: Any) -> str:
    """The name of the model that an answer bears; empty where it bears none."""
    name = str(answer.get("model") or "")[:200] if isinstance(answer, dict) else ""
    return name.encode("utf-8", "replace").decode()
