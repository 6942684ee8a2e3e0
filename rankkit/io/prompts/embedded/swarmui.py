"""SwarmUI: JSON with ``sui_image_params`` in `parameters` or the UserComment."""

from __future__ import annotations

import re

from rankkit.io.prompts.embedded.container import Found, Texts, as_object

PROGRAM = "SwarmUI"
# What follows one of these tags is the prompt of a part of the image, or of a later pass.
PARTS = re.compile(
    r"<(?:segment|object|region|refiner|clear|extend|video|videoswap|base)\b[^>]*>", re.IGNORECASE
)


def read(texts: Texts) -> Found | None:
    """The prompt up to the first tag that begins a part of its own."""
    for name in ("parameters", "UserComment", "ImageDescription"):
        parameters = as_object(texts.get(name)).get("sui_image_params")
        if isinstance(parameters, dict):
            prompt = parameters.get("prompt")
            if not isinstance(prompt, str):
                return Found(PROGRAM, None, "sui_image_params has no prompt that is a text")
            negative = parameters.get("negativeprompt")
            return Found(
                PROGRAM,
                PARTS.split(prompt)[0].strip(),
                negative=negative if isinstance(negative, str) else None,
            )
    return None
