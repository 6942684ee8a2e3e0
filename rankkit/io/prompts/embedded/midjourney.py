"""Midjourney: the prompt with its parameters and the job's id, in ``Description`` or the ImageDescription."""

from __future__ import annotations

import re

from rankkit.io.prompts.embedded.container import Found, Texts

PROGRAM = "Midjourney"
JOB = re.compile(r"\bJob ID:\s*[0-9a-fA-F-]{8,}")
PARAMETERS = re.compile(r"(?:^|\s)(?:--|—)[a-zA-Z]\w*\b")
URLS = re.compile(r"^(?:<?https?://\S+>?\s+)+")
WEIGHTS = re.compile(r"::-?\d*\.?\d*")


def read(texts: Texts) -> Found | None:
    """What stands before the first ``--parameter`` and the job's id, without the addresses of image
    prompts.
    """
    for name in ("Description", "ImageDescription"):
        text = texts.get(name, "")
        if JOB.search(text):
            words = PARAMETERS.split(JOB.split(text)[0])[0]
            return Found(PROGRAM, " ".join(WEIGHTS.sub(" ", URLS.sub("", words)).split()))
    return None
