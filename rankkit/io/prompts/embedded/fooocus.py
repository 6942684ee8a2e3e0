"""Fooocus, its fork MRE among them:

JSON with the prompt as it was typed, in `parameters`, `Comment` or the UserComment.
"""

from __future__ import annotations

from typing import Any

from rankkit.io.prompts.embedded.container import Found, Texts, as_object

PROGRAM = "Fooocus"
MARKS = {
    "base_model",
    "base_model_name",
    "full_prompt",
    "adm_guidance",
    "performance",
    "styles",
    "real_prompt",
}


def read(texts: Texts) -> Found | None:
    """The prompt that was typed, not the one that styles made of it."""
    for name in ("parameters", "Comment", "UserComment", "comment"):
        fields = {_key(key): value for key, value in as_object(texts.get(name)).items()}
        if "prompt" in fields and (
            MARKS & set(fields) or "ooocus" in f"{fields.get('version')}{fields.get('software')}"
        ):
            return _found(fields)
    return None


def _key(name: str) -> str:
    """``Negative Prompt`` and ``negative_prompt`` are one field, under different versions."""
    return name.strip().lower().replace(" ", "_")


def _found(fields: dict[str, Any]) -> Found:
    prompt, negative = fields["prompt"], fields.get("negative_prompt")
    if not isinstance(prompt, str):
        return Found(PROGRAM, None, f"its prompt is {type(prompt).__name__}, not a text")
    return Found(PROGRAM, prompt.strip(), negative=negative if isinstance(negative, str) else None)
