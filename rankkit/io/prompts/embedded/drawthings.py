"""Draw Things: JSON with the prompt as ``c``, in the UserComment or in XMP."""

from __future__ import annotations

import html
import re

from rankkit.io.prompts.embedded.container import Found, Texts, as_object

PROGRAM = "Draw Things"
IN_XMP = re.compile(r"<exif:UserComment>.*?<rdf:li[^>]*>(.*?)</rdf:li>", re.DOTALL)


def read(texts: Texts) -> Found | None:
    """The field ``c`` of a comment that also has ``uc`` or ``sampler``."""
    xmp = IN_XMP.search(texts.get("xmp", "")[:200_000])
    for text in (texts.get("UserComment"), html.unescape(xmp[1]) if xmp else None):
        fields = as_object(text)
        if "c" in fields and {"uc", "sampler", "v2"} & fields.keys():
            prompt, negative = fields["c"], fields.get("uc")
            if not isinstance(prompt, str):
                return Found(PROGRAM, None, "its prompt is not a text")
            return Found(PROGRAM, prompt.strip(), negative=negative if isinstance(negative, str) else None)
    return None
