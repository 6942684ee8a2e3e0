"""Tensor.Art: JSON in a PNG's ``generation_data``, beside the graph that its servers ran."""

from __future__ import annotations

from rankkit.io.prompts.embedded.container import Found, Texts, as_object

PROGRAM = "Tensor.Art"
MARKS = {"baseModel", "negativePrompt", "cfgScale", "samplerName"}


def read(texts: Texts) -> Found | None:
    """The field ``prompt`` among the site's other fields."""
    fields = as_object(texts.get("generation_data"))
    if not (MARKS & fields.keys() and "prompt" in fields):
        return None
    prompt, negative = fields["prompt"], fields.get("negativePrompt")
    if not isinstance(prompt, str):
        return Found(PROGRAM, None, "its prompt is not a text")
    return Found(PROGRAM, prompt.strip(), negative=negative if isinstance(negative, str) else None)
