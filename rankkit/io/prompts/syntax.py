"""A generator's syntax taken out of a prompt: what is left are the plain words that describe the image."""

from __future__ import annotations

import re

TAG = re.compile(r"<[a-zA-Z][\w-]*:[^<>]*>")  # <lora:name:0.8> and other extra networks
SCHEDULE = re.compile(r"\[([^\[\]:|]*):(?:([^\[\]:|]*):)?\s*\d*\.?\d+\s*\]")  # [from:to:when], [to:when]
LATER = re.compile(r"\[([^\[\]:|]*)::\s*\d*\.?\d+\s*\]")  # [from::when]
WEIGHT = re.compile(r":\s*[-+]?\d*\.?\d+\s*(?=[)\]])")
BRACKETS = re.compile(r"(?<!\\)[()\[\]{}]")
ESCAPED = re.compile(r"\\([()\[\]{}\\])")
BREAK = re.compile(r"\bBREAK\b")
COMMAS = re.compile(r"\s*,(?:\s*,)+")


def plain_words(prompt: str) -> str:
    r"""A prompt without tags of extra networks, emphasis and BREAK.

    >>> plain_words("a fox, (fur:1.3) <lora:snow:0.8> BREAK [in snow], {{soft}} \\(plush\\)")
    'a fox, fur in snow, soft (plush)'
    """
    if not any(mark in prompt for mark in "<()[]{}\\") and "BREAK" not in prompt:
        return " ".join(prompt.split())
    words = BREAK.sub(" ", TAG.sub(" ", prompt))
    words = LATER.sub(r"\1", words)
    words = SCHEDULE.sub(lambda found: f"{found[1]} {found[2]}" if found[2] is not None else found[1], words)
    words = BRACKETS.sub("", WEIGHT.sub("", words))
    words = COMMAS.sub(",", " ".join(ESCAPED.sub(r"\1", words).split())).replace(" ,", ",")
    return words.strip(" ") if not words.startswith(",") else words.strip(" ,")
