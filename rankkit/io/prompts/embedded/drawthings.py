"""Draw Things: JSON with the prompt as ``c``, in the UserComment or in XMP."""

from __future__ import annotations

from rankkit.io.prompts.embedded.container import Found, Texts, as_object, in_xmp

PROGRAM = "Draw Things"


def read(texts: Texts) -> Found | None:
    """The field ``c`` of a comment that also has ``uc`` or ``sampler``."""
    for text in (texts.get("UserComment"), in_xmp(texts, "exif:UserComment")):
        fields = as_object(text)
        if "c" in fields and {"uc", "sampler", "v2"} & fields.keys():
            prompt, negative = fields["c"], fields.get("uc")
            if not isinstance(prompt, str):
                return Found(PROGRAM, None, "its prompt is not a text")
            return Found(PROGRAM, prompt.strip(), negative=negative if isinstance(negative, str) else None)
    return None
