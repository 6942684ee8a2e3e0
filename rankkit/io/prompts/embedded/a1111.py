"""A1111's form, which Forge and SD.Next write too: prompt, negative prompt and a line of settings.

In a PNG's `parameters`, in the UserComment of JPEG, WebP and AVIF, in XMP, and in a .txt beside the image.
Sites run the lines together.
"""

from __future__ import annotations

import html
import re
from collections import deque
from itertools import islice

from rankkit.io.prompts.embedded.container import Found, Texts, as_json, in_xmp
from rankkit.io.prompts.syntax import DRAWN
from rankkit.io.text import UNFILLED

PROGRAM = "A1111"
PLACES = ("UserComment", "ImageDescription", "comment")
IN_XMP = ("dc:description", "exif:UserComment")

# On a line of its own, or run together with what stands before it, by a full stop in place of the line break.
NEGATIVE = re.compile(r"^[ \t]*Negative prompt[:：]", re.MULTILINE | re.IGNORECASE)
SETTINGS = re.compile(
    r"^[ \t]*(?:Steps: ?\d+[ \t]*(?:,|$)"
    r"|(?:Sampler|Seed|CFG scale|Size|Model|Model hash|Width|Schedule type|Version): [^\n]*\bSteps: ?\d"
    r"|(?<=\n)(?:[A-Z][\w ]{0,30}: [^,\n]*, ){2,}Steps: ?\d+,)",
    re.MULTILINE,
)
NEGATIVE_WITHIN, STEPS_WITHIN = (
    re.compile(r"\bNegative prompt:"),
    re.compile(r"\bSteps: ?\d+(?=,)"),
)
NEAR = 300  # characters behind the steps, within which another setting stands
KEYS = re.compile(r"\b(?:Sampler|Seed|CFG scale|Guidance|Size|Model): ?\S", re.IGNORECASE)
# The axes of a grid (X/Y/Z plot) whose images differ in their prompts; it has the settings of the first.
GRID = re.compile(r"\b[XYZ] Type: \"?[^,\n\"]*(?:prompt|styles?\b|wildcard)", re.IGNORECASE)
GRID_OF_TEMPLATE = re.compile(r"\bGrid: ")  # SD.Next's; drawn from a template, each image has its own
STEPS_ALONE = re.compile(r"\s*Steps: ?\d+\s*")
NAMED = re.compile(
    r"^[ \t]*(?:negative|seed|sampler|size|model|cfg(?: scale)?|width|height)[ \t]*[:：=]",
    re.MULTILINE | re.IGNORECASE,
)
NO_WORDS = re.compile(
    r"(?:https?://|data:)\S+|<(?:!doctype|html|\?xml)\b.*|[A-Za-z0-9+/=]{30,}|[\x00-@\[-`{-\x7f]*",
    re.IGNORECASE | re.DOTALL,
)
PAIRS = re.compile(r"(?:(?:^|[,\n])[ \t]*[A-Z]|^[ \t]*\w)[\w ]{0,40}[:：]\s?", re.MULTILINE)
LABEL = re.compile(r"^\s*(?:(?:positive[ _])?prompt:[ \t]*)+", re.IGNORECASE)
COMMENT = re.compile(r"^#[ \t].*(?:\n|$)", re.MULTILINE)
# Left where the prompt should stand: what was drawn from it, or put into it, stands nowhere.
TEMPLATE = re.compile(DRAWN + r"|\{(?:prompt|caption)\}")


def read(texts: Texts) -> Found | None:
    """The prompt of `parameters`, or of a UserComment, an ImageDescription or XMP that has the form."""
    parameters = texts.get("parameters")
    if parameters is not None and not _is_data(parameters):
        return parse_parameters(parameters) or words_alone(parameters)
    for text in (*(texts.get(name, "") for name in PLACES), *(in_xmp(texts, name) for name in IN_XMP)):
        found = parse_parameters(text)
        if found is not None:
            return found
    return None


def parse_parameters(text: str) -> Found | None:
    """A text in A1111's form;

    None where it has neither a negative prompt on a line of its own nor settings, and so is not in that form.
    """
    if _is_data(text):
        return None
    text = (html.unescape(text) if "&#10;" in text else text).replace("\r\n", "\n")
    end = settings_at(text)
    own = NEGATIVE.search(text)
    if own is None and (end is None or not (KEYS.search(text, end) or STEPS_ALONE.fullmatch(text, end))):
        return None
    several = end is not None and GRID_OF_TEMPLATE.search(text, end) and "\nTemplate: " in text
    if several or (end is not None and GRID.search(text, end)):
        return Found(
            PROGRAM, None, "is a grid of images that have different prompts, and tells that of the first"
        )
    negative = own if own is not None else NEGATIVE_WITHIN.search(text)
    if negative is not None and (end is None or negative.start() < end):
        return _written(_before(text, negative.start()), _before(text[:end], None, negative.end()))
    words = LABEL.sub("", _before(text, end), count=1)
    if NAMED.search(words):
        return Found(PROGRAM, None, "its lines name their settings, and it is not known which is the prompt")
    prompt, _, last = words.rpartition("\n")
    if last.startswith("-") and "Guidance Scale:" in text[end:]:  # how Draw Things writes a negative prompt
        return Found(PROGRAM, prompt.strip(), negative=last[1:].strip())
    return _written(words)


def _written(words: str, negative: str | None = None) -> Found:
    """A prompt without labels and comments; none where a template stands in its place."""
    words = COMMENT.sub("", LABEL.sub("", words, count=1)).strip()
    if TEMPLATE.search(words):
        return Found(
            PROGRAM, None, "its prompt is a template, and what was drawn from it stands nowhere", negative
        )
    return Found(PROGRAM, words, negative=negative)


def _before(text: str, end: int | None, start: int = 0) -> str:
    """A part of a text without the blanks, or the full stop for a line break, before what follows."""
    part = text[start:end].rstrip(" \t")
    return part.removesuffix(".").strip() if part and not part.endswith("\n") else part.strip()


def settings_at(text: str) -> int | None:
    """Where the settings begin: on the last line that is one of settings, else within the one line.

    A prompt for a detail, among the settings, may hold settings of its own.
    """
    lines = deque(SETTINGS.finditer(text), maxlen=1)
    if lines:
        return lines[0].start()
    negative = NEGATIVE_WITHIN.search(text)
    for steps in islice(STEPS_WITHIN.finditer(text, negative.end() if negative else 0), 1000):
        near = text[steps.end() : steps.end() + NEAR].partition("\n")[0]
        if KEYS.search(near):
            return steps.start()
    return None


def words_alone(text: str, program: str = PROGRAM) -> Found | None:
    """A text without the form, which other tools write; unless it is a line of settings, an address, a page,
    or no words at all.
    """
    words = LABEL.sub("", text.strip("\ufeff\0 \t\r\n"), count=1)
    plain = (
        words.lstrip('"')[:1] not in ("", "{", "[")
        and not NO_WORDS.fullmatch(words)
        and not UNFILLED.fullmatch(words)
        and len(PAIRS.findall(words)) < 2
        and "negative prompt" not in words.lower()
        and "###" not in words
    )
    return Found(program, words) if plain else None


def _is_data(text: str) -> bool:
    return as_json(text) is not None or (text.strip() in ("", "None") and "\n" not in text)
