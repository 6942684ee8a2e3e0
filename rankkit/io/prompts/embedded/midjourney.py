"""Midjourney: the prompt with its parameters and the job's id, in ``Description`` or the ImageDescription."""

from __future__ import annotations

import re

from rankkit.io.prompts.embedded.container import Found, Texts, in_xmp
from rankkit.io.prompts.syntax import ADDRESSES

PROGRAM = "Midjourney"
JOB = re.compile(r"(.*)\bJob ID:\s*[0-9a-fA-F-]{8,}", re.DOTALL)  # the last one: a prompt may hold such words
PARAMETERS = re.compile(  # telephones make a dash of --; one before another word is a dash
    r"(?:^|\s)(?:--[a-zA-Z]\w*|—(?:ar|aspect|v|version|niji|no|q|quality|s|style|stylize|c|chaos|seed|iw|sref|sw"
    r"|cref|cw|tile|weird|w|raw|hd|stop|repeat|r|profile|p|fast|relax|turbo|draft|oref|ow|exp|video))\b"
)
TEMPLATE = re.compile(r"\{[^{}]*,[^{}]*\}")  # {red, blue}: a job for each, and not which this is
WEIGHT = re.compile(r"::(-?\d*\.?\d*)")  # of the part before it


def read(texts: Texts) -> Found | None:
    """What stands before the first ``--parameter`` and the job's id, without the addresses of image
    prompts and without parts of negative weight.
    """
    for text in (
        texts.get("Description", ""),
        texts.get("ImageDescription", ""),
        in_xmp(texts, "dc:description"),
    ):
        if job := JOB.match(text):
            words = PARAMETERS.split(job[1])[0]
            if TEMPLATE.search(words):
                return Found(
                    PROGRAM, None, "its prompt is a template of several, and not which of them was used"
                )
            parts = WEIGHT.split(ADDRESSES.sub("", words))
            told = [
                part for part, weight in zip(parts[::2], [*parts[1::2], ""], strict=True) if "-" not in weight
            ]
            return Found(PROGRAM, " ".join(" ".join(told).split()))
    return None
