"""What stands where a prompt should, and is none: empty cells, names, addresses, and what models and programs
say instead.
"""

from __future__ import annotations

import re

from rankkit.io.prompts.syntax import DRAWN
from rankkit.io.text import LOST, UNFILLED, WHY_LOST

NOTHING = re.compile(  # what stands in a cell that is empty, or that a program could not fill
    UNFILLED.pattern + r"|<na>|n/a|\\n|#(?:n/a|name\?|value!|ref!|num!|null!|div/0!)|[-–—_.?]+",
    re.IGNORECASE,
)
NUMBER_OR_ID = re.compile(
    r"[-+]?\d+(?:[.,]\d+)?(?:e[-+]?\d+)?|true|false"
    r"|(?:p|prompt|id|idx|index|image|img|sample|item|case|test|q|t|s|no|row)[-_#]?\d+"
    r"|[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}|[0-9a-f]{40,64}",
    re.IGNORECASE,
)
IMAGE = r"(?:this|the(?: given| following| provided| attached| above)?) (?:image|picture|photo(?:graph)?)"
ASKED = r"(?:please |(?:can|could) you )?"
SAID = r"(?:sure|certainly|of course|absolutely|okay)[,.!]|here(?:['’]s| is| are) (?:a|an|the|your|my|some)\b"
KINDS = {  # among the questions Florence's tasks
    "is an address, not a prompt": r"(?:[\w ]{1,20}:\s*)?https?://\S+",
    "is a checksum, not a prompt": r"[0-9a-f]{32,128}\s+\*?\S+",
    "is a message to a model (<image>), not a prompt": r"<image>.*|.*<image>",
    "is a template of which a part is drawn by chance, not a prompt": rf".*(?:{DRAWN}).*",
    "is a prompt and behind ### a negative one, as AI Horde has them; leave the prompt alone": (
        r"[^\n]*[^\n\s#]\s*###\s*[^\n\s#][^\n]*"
    ),
    "is a template into which no prompt was put": (
        r".*(?:\{{1,2}\s*(?:prompt|caption)\s*\}{1,2}|\[{1,2}(?:prompt|caption)\]{1,2}|%prompt%|<prompt>).*"
    ),
    "is the name of a text file, not its text": r"\S+\.(?:txt|json|caption)",
    "is the name of an image, not a text": r"\S+\.(?:png|jpe?g|webp|gif|bmp|tiff?|avif|heic|jxl)",
    "is a question to a model about an image, not a prompt": (
        r"<(?:[A-Z]+_)*(?:CAPTION|OD|OCR|PROPOSAL|GROUNDING|REGION|DESCRIPTION|CATEGORY)(?:_[A-Z]+)*>|"
        rf"{ASKED}(?:(?:describe|caption|explain|analy[sz]e|examine|look at|tell me about)\b.{{0,40}}|"
        r"(?:write|provide|generate|give|create)\b.{0,40}\b(?:caption|description)\b.{0,20}|"
        rf"(?:tell me )?what\b.{{0,40}}\bin) \b{IMAGE}\b.*|"
        rf"{ASKED}describe\b.{{0,40}}\bwhat you (?:can )?see\b.*|"
        r"you are an? (?:[\w-]+ ){0,5}(?:assistant|captioner|annotator|language model)\b.*"
    ),
    "is what a model said instead of a prompt": (
        r"(?:i['’]m|i am) (?:sorry\b.{0,20}\b(?:i|as)\b|(?:unable|not able) to\b).*|as an ai\b.*|"
        r"(?:sorry|unfortunately), (?:but )?i (?:can|am|do|was|cannot)\b.*|"
        r"i (?:can['’]?t|cannot|can not|won['’]?t) (?:assist|help|provide|describe|generate|create|comply"
        r"|identify|see|view|process|continue)\b.*"
    ),
    "is what a model said around a prompt, and not the prompt alone": (
        rf"(?:{SAID})[^\n]{{0,80}}\b(?:prompts?|captions?|descriptions?)\b[^\n]{{0,60}}[:：].*"
    ),
    "is an error message, not a prompt": r"traceback \(most recent call last\).*|error(?: code)?: \d{3}\b.*",
}
NO_WORDS = (
    (LOST, WHY_LOST),
    *((re.compile(pattern, re.IGNORECASE | re.DOTALL), why) for why, pattern in KINDS.items()),
)
LABEL = re.compile(r"\**(?:(?:positive )?prompt|caption)\s?[:=：]\**\s*", re.IGNORECASE)
SETTINGS = re.compile(
    r"[,;]\s*(?:negative(?:[ _]prompt)?|seed|steps|sampler|cfg(?:[ _]scale)?|guidance|model|width|height)"
    r"\s?[:=：]",
    re.IGNORECASE,
)


def why_none(text: str) -> str:
    """Why a text is no prompt; empty where it may be one."""
    if not text or NOTHING.fullmatch(text):
        return "is empty"
    return next((why for pattern, why in NO_WORDS if pattern.fullmatch(text)), "")


def without_label(text: str) -> tuple[str, str]:
    """A line without ``Prompt:`` before it, and why it is no prompt alone: settings follow that are named."""
    label = LABEL.match(text)
    if label is None or "\n" in text or label.end() == len(text):
        return text, ""
    if SETTINGS.search(text, label.end()):
        return "", "holds settings by their names in one line, and it is not known where the prompt ends"
    return text[label.end() :], ""
