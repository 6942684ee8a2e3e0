"""Fooocus, its fork MRE among them:

JSON with the prompt as it was typed, in `parameters`, `Comment` or the UserComment; or A1111's form, with
the words of the styles for a prompt and the one that was typed among the settings.
"""

from __future__ import annotations

import json
import re
from typing import Any

from rankkit.io.prompts.embedded.a1111 import settings_at
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
RAW = re.compile(r'\bRaw prompt: (?:("(?:[^"\\]|\\[^\n])*")|([^,\n]*))(?=,|$)')


def read(texts: Texts) -> Found | None:
    """The prompt that was typed, not the one that styles made of it."""
    for name in ("parameters", "Comment", "UserComment", "comment"):
        fields = {_key(key): value for key, value in as_object(texts.get(name)).items()}
        if "prompt" in fields and (
            MARKS & set(fields) or "ooocus" in f"{fields.get('version')}{fields.get('software')}"
        ):
            return _found(fields)
    return _typed(texts.get("parameters", "")) or _typed(texts.get("UserComment", ""))


def _typed(text: str) -> Found | None:
    """The prompt that was typed, among the settings of A1111's form."""
    start = settings_at(text) if "Version: Fooocus" in text else None
    raw = RAW.search(text, start) if start is not None else None
    if raw is None:
        return None
    return Found(PROGRAM, str(json.loads(raw[1]) if raw[1] else raw[2]).strip())


def _key(name: str) -> str:
    """``Negative Prompt`` and ``negative_prompt`` are one field, under different versions."""
    return name.strip().lower().replace(" ", "_")


def _found(fields: dict[str, Any]) -> Found:
    if "mflux_version" in fields and fields.get("image_path") and not fields.get("image_strength"):
        return Found("mflux", None, "its prompt may be an instruction to edit 'image_path'")
    prompt, negative = fields["prompt"], fields.get("negative_prompt")
    if not isinstance(prompt, str):
        return Found(PROGRAM, None, f"its prompt is {type(prompt).__name__}, not a text")
    return Found(PROGRAM, prompt.strip(), negative=negative if isinstance(negative, str) else None)
