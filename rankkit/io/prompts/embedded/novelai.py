"""NovelAI: a PNG's ``Comment`` (JSON) and ``Description``.

In WebP both stand in the UserComment, as JSON, or the comment does, and the ImageDescription is the other.
"""

from __future__ import annotations

import re
from typing import Any

from rankkit.io.prompts.embedded.container import Found, Texts, as_object

PROGRAM = "NovelAI"
DRAWN = re.compile(r"\|\|[^|]+(?:\|[^|]+)+\|\|")  # ||red|blue||: one of them, by chance


def read(texts: Texts) -> Found | None:
    """The prompt of the comment; of version 4 and later the base caption and the characters' captions,
    joined.
    """
    beside = as_object(texts.get("UserComment"))
    known = {**texts, **beside}
    inside = known.get("Comment", beside)
    comment = inside if isinstance(inside, dict) else as_object(inside)
    if "NovelAI" not in str(known.get("Software", "")) and not (
        {"uc", "prompt"} <= comment.keys() or "v4_prompt" in comment
    ):
        return None
    negative = comment.get("uc")
    caption = _caption(comment.get("v4_prompt"))
    for prompt in (caption, comment.get("prompt"), known.get("Description", texts.get("ImageDescription"))):
        if isinstance(prompt, str) and DRAWN.search(prompt):
            return Found(PROGRAM, None, "its prompt is a template, and what was drawn from it stands nowhere")
        if isinstance(prompt, str):
            return Found(PROGRAM, prompt.strip(), negative=negative if isinstance(negative, str) else None)
    return Found(PROGRAM, None, "its comment has no prompt")


def _caption(v4: Any) -> str | None:
    caption = v4.get("caption") if isinstance(v4, dict) else None
    if not isinstance(caption, dict) or not isinstance(caption.get("base_caption"), str):
        return None
    characters = caption.get("char_captions")
    parts = (
        [each.get("char_caption") for each in characters if isinstance(each, dict)]
        if isinstance(characters, list)
        else []
    )
    texts = [caption["base_caption"], *(part for part in parts if isinstance(part, str))]
    return ", ".join(text.strip(" ,\n") for text in texts if text.strip(" ,\n"))
