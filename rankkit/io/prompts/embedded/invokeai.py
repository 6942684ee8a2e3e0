"""InvokeAI, three generations:

``invokeai_metadata`` (3 and later), ``sd-metadata`` (2), and ``Dream``, a command line (1).
"""

from __future__ import annotations

import re
from typing import Any

from rankkit.io.prompts.embedded.container import Found, Texts, as_object

PROGRAM = "InvokeAI"
DREAM = re.compile(r'^"((?:[^"\\]|\\.)*)"(?=\s+-|\s*$)')
# what stands in square brackets is the negative prompt, in the first two generations
NEGATIVE = re.compile(r"\[([^\[\]]*)\]")


def read(texts: Texts) -> Found | None:
    """The positive prompt of the newest generation that the file has."""
    metadata = texts.get("invokeai_metadata")
    if metadata is not None:
        fields = as_object(metadata)
        prompt = fields.get("positive_prompt")
        if not isinstance(prompt, str):
            return Found(PROGRAM, None, "invokeai_metadata has no positive_prompt")
        return Found(PROGRAM, _styled(prompt.strip(), fields.get("positive_style_prompt")))
    if "sd-metadata" in texts:
        return _second(as_object(texts["sd-metadata"]).get("image"))
    if "Dream" in texts:
        line = DREAM.match(texts["Dream"].strip())
        return (
            _without_brackets(line[1].replace('\\"', '"'))
            if line
            else Found(PROGRAM, None, "Dream holds no quoted prompt")
        )
    return None


def _styled(prompt: str, style: Any) -> str:
    """A prompt with that of SDXL's second encoder, which may begin with the first."""
    words = style.strip() if isinstance(style, str) else ""
    if not words or prompt.startswith(words):
        return prompt
    return words if words.startswith(prompt) else f"{prompt}, {words}"


def _second(image: Any) -> Found:
    prompt = image.get("prompt") if isinstance(image, dict) else None
    if isinstance(prompt, list):
        parts = [part.get("prompt") for part in prompt if isinstance(part, dict) and _weight(part) > 0]
        prompt = ", ".join(part for part in parts if isinstance(part, str)) or None
    return (
        _without_brackets(prompt)
        if isinstance(prompt, str)
        else Found(PROGRAM, None, "sd-metadata has no prompt")
    )


def _weight(part: dict[str, Any]) -> float:
    weight = part.get("weight", 1)
    return float(weight) if isinstance(weight, (int, float)) else 1.0


def _without_brackets(prompt: str) -> Found:
    negative = ", ".join(NEGATIVE.findall(prompt)) or None
    return Found(PROGRAM, " ".join(NEGATIVE.sub("", prompt).split()), negative=negative)
