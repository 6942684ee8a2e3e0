"""Prompts and completions as language trainers hold them: text, or a list of messages.

The content of a message is text, or a list of parts such as ``{"type": "image", "image": …}``.
"""

from __future__ import annotations

from typing import Any


def last_text(message: Any) -> str:
    """A text itself, or the last one of a conversation; empty where it has none."""
    return message if isinstance(message, str) else str(_last(message, "text") or "")


def last_image(message: Any) -> Any:
    """The last image of a conversation, None for one without; what is no text or list is an image itself."""
    return _last(message, "image") if isinstance(message, (str, list)) else message


def _last(message: Any, kind: str) -> Any:
    if not isinstance(message, list) or not message or not isinstance(message[-1], dict):
        return None
    content = message[-1].get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    found = [part.get(kind) for part in parts if part.get("type") == kind and part.get(kind) is not None]
    return found[-1] if found else None
