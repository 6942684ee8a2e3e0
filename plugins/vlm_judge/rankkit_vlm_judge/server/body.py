"""The messages of a chat request, and the schema that an answer may be bound to."""

from __future__ import annotations

from typing import Any

from rankkit_vlm_judge.images import EncodedImage
from rankkit_vlm_judge.questions import Asked, Labels
from rankkit_vlm_judge.server.sizes import at_most


def only(labels: Labels) -> dict[str, Any]:
    """A response format that lets a model say nothing but one of two labels."""
    answer = {"type": "string", "enum": list(labels)}
    schema = {
        "type": "object",
        "properties": {"answer": answer},
        "required": ["answer"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}


def messages_of(question: Asked, form: str, side: int | None = None) -> list[dict[str, Any]]:
    """A question as chat messages: system text, then text and images in order, then how to answer."""
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": at_most(part, side).url}}
        if isinstance(part, EncodedImage)
        else {"type": "text", "text": part}
        for part in question.parts
    ]
    if ending := question.ending(form):
        parts.append({"type": "text", "text": ending})
    system = [{"role": "system", "content": question.system}] if question.system else []
    return [*system, {"role": "user", "content": parts}]
