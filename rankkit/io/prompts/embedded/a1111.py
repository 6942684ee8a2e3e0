"""A1111's form, which Forge and SD.Next write too: prompt, negative prompt and a line of settings.

In a PNG's `parameters`, in the UserComment of JPEG, WebP and AVIF, and in a .txt beside the image. Sites run
the lines together.
"""

from __future__ import annotations

import re

from rankkit.io.prompts.embedded.container import Found, Texts, as_json

PROGRAM = "A1111"

# On a line of its own, or run together with what stands before it, by a full stop in place of the line break.
NEGATIVE = re.compile(r"(?:^|\n)[ \t]*Negative prompt:|\.?[ \t]*\bNegative prompt:")
SETTINGS = re.compile(r"(?:^|\n)[ \t]*Steps: ?\d+|\.?[ \t]*\bSteps: ?\d+(?=, [A-Z][\w ]*: )")


def read(texts: Texts) -> Found | None:
    """The prompt of `parameters`, or of a UserComment that has the form."""
    parameters = texts.get("parameters")
    if parameters is not None and not _is_data(parameters):
        found = parse_parameters(parameters)
        if found is not None:
            return found
        words = parameters.strip()
        return Found(PROGRAM, words) if words and words[0] not in "{[" else None
    for name in ("UserComment", "ImageDescription", "comment"):
        found = parse_parameters(texts.get(name, ""))
        if found is not None:
            return found
    return None


def parse_parameters(text: str) -> Found | None:
    """A text in A1111's form;

    None where it has neither a negative prompt nor settings, and so is not in that form.
    """
    if _is_data(text):
        return None
    settings = list(SETTINGS.finditer(text))
    negative = NEGATIVE.search(text)
    if not settings or (negative is None and "Steps" not in text):
        return None
    end = settings[-1].start()
    if negative is not None and negative.start() < end:
        return Found(PROGRAM, text[: negative.start()].strip(), negative=text[negative.end() : end].strip())
    return Found(PROGRAM, text[:end].strip())


def _is_data(text: str) -> bool:
    return as_json(text) is not None or (text.strip() in ("", "None") and "\n" not in text)
