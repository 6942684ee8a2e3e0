"""SwarmUI: JSON with ``sui_image_params`` in `parameters` or the UserComment."""

from __future__ import annotations

import re

from rankkit.io.prompts.embedded.container import Found, Texts, as_object

PROGRAM = "SwarmUI"
# What follows one of these tags is the prompt of a part of the image, or of a pass; `base` is the first pass.
PARTS = re.compile(
    r"<(segment|object|region|refiner|pixeldecoder|clear|extend|video|videoswap|base)\b[^<>]*>", re.IGNORECASE
)
# What the program fills in before it generates: where such a tag is left, what it gave stands nowhere.
DRAWN = re.compile(
    r"<(?:random|wildcard|wc|var|setvar|macro|setmacro|repeat|preset|p|trigger|mpprompt)(?:\[[^\[\]]*\])?[:>]",
    re.IGNORECASE,
)


def read(texts: Texts) -> Found | None:
    """The prompt up to the first tag that begins a part of its own, with that of the first pass."""
    for name in ("parameters", "UserComment", "ImageDescription"):
        parameters = as_object(texts.get(name)).get("sui_image_params")
        if isinstance(parameters, dict):
            prompt = parameters.get("prompt")
            if not isinstance(prompt, str):
                return Found(PROGRAM, None, "sui_image_params has no prompt that is a text")
            if DRAWN.search(prompt):
                return Found(
                    PROGRAM, None, "its prompt is a template, and what was drawn from it stands nowhere"
                )
            negative = parameters.get("negativeprompt")
            return Found(
                PROGRAM,
                _whole(prompt),
                negative=negative if isinstance(negative, str) else None,
            )
    return None


def _whole(prompt: str) -> str:
    """The prompt of the whole image: what stands before the first part, and what is of the first pass."""
    first, *rest = PARTS.split(prompt)
    base = [text for name, text in zip(rest[::2], rest[1::2], strict=True) if name.lower() == "base"]
    return " ".join(text.strip() for text in (first, *base) if text.strip())
