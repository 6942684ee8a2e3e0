"""What a chat completion says: the text, the first token's alternatives, the tokens used."""

from __future__ import annotations

from typing import Any

from rankkit_vlm_judge.replies import Reply
from rankkit_vlm_judge.server.failures import Failed


def read(answer: Any) -> Reply:
    """The reply in a chat completion. Raises `Failed` where it is none."""
    try:
        choice = answer["choices"][0]
        message = choice.get("message") or {}
        content = message.get("content") or ""
        if isinstance(content, list):
            content = "".join(str(part.get("text", "")) for part in content)
        first = ((choice.get("logprobs") or {}).get("content") or [{}])[0]
        top = tuple((str(each["token"]), float(each["logprob"])) for each in first.get("top_logprobs") or ())
        refusal = bool(message.get("refusal")) or choice.get("finish_reason") == "content_filter"
        text = str(content or message.get("refusal") or "")
        return Reply(text, top, str(choice.get("finish_reason") or ""), refusal, tokens_of(answer))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise Failed(
            "transport", f"the answer is not a chat completion ({type(error).__name__}: {str(answer)[:100]})"
        ) from None


def tokens_of(answer: Any) -> int:
    """The prompt and completion tokens that an answer says it used; 0 where it does not say."""
    usage = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(usage, dict):
        return 0
    parts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    counts = [part for part in parts if isinstance(part, int)]
    return sum(counts) if counts else int(usage.get("total_tokens") or 0)
