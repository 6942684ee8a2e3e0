"""Easy Diffusion: a chunk per setting, or one JSON in the UserComment; or a text file of settings."""

from __future__ import annotations

import re

from rankkit.io.prompts.embedded.container import Found, Texts, as_object

PROGRAM = "Easy Diffusion"
MARKS = {
    "use_stable_diffusion_model",
    "num_inference_steps",
    "sampler_name",
    "stable_diffusion_model",
    "sampler",
}

LINES = re.compile(
    r"Prompt: ?((?s:.*?))\n(?:Width|Negative Prompt): (?s:.*)^Stable Diffusion model: ", re.MULTILINE
)


def read(texts: Texts) -> Found | None:
    """The field ``prompt``, or ``Prompt``, among the program's other fields."""
    for fields in ({**texts}, as_object(texts.get("UserComment")), as_object(texts.get("comment"))):
        named = {name.strip().lower().replace(" ", "_"): value for name, value in fields.items()}
        prompt, negative = named.get("prompt"), named.get("negative_prompt")
        if isinstance(prompt, str) and MARKS & named.keys() and not as_object(prompt):
            return Found(PROGRAM, prompt.strip(), negative=negative if isinstance(negative, str) else None)
    return None


def read_lines(text: str) -> Found | None:
    """The prompt of the text file that it writes beside an image: ``Prompt: a fox``, and its settings."""
    found = LINES.match(text.replace("\r\n", "\n"))
    return Found(PROGRAM, found[1].strip()) if found else None
