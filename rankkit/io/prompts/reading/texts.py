"""What a cell of a table or a text file says: prompts, or the reason why it says none. Never the text of
something that is no text.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import os
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rankkit.core.images import read
from rankkit.io.prompts.base import Answer
from rankkit.io.prompts.embedded import easydiffusion
from rankkit.io.prompts.embedded.a1111 import parse_parameters
from rankkit.io.prompts.embedded.container import Found, as_json
from rankkit.io.prompts.embedded.source import read_texts
from rankkit.io.prompts.reading.no_prompts import NUMBER_OR_ID, why_none, without_label
from rankkit.io.prompts.syntax import ADDRESSES, OPTIONS_OF_MIDJOURNEY
from rankkit.io.text import decode_text

PROMPT = ("prompt", "text", "caption", "captions", "prompts", "sentences", "raw", "positive_prompt")
MESSAGE = {"role", "from"}  # who speaks, in a message to a model
LONGEST = 2**20  # bytes of a text file
BETWEEN = re.compile(r"BREAK|AND|ADDCOMM|ADDBASE|ADDCOL|ADDROW")
HEADING = re.compile(r"#{1,6}\s+\S.*")  # of Markdown
BLANK = "\0\ufeff\u200b\u200c\u200d\u2060\u00ad"  # characters without width: alone they are no text
BYTES = re.compile(r"""b(?:'.*'|".*")""", re.DOTALL)
PAGE = re.compile(r"<(?:!doctype\s|html\b|\?xml\b)|\{\\rtf\d", re.IGNORECASE)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
LOGGED = re.compile(r"\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d.*")  # a line of a log

NAMED = re.compile(r"[^\W\d][\w ]{0,30}\s?[:=：].*")  # a setting by its name

KEPT = re.compile(r"[ \t]*,?[ \t]*\|\|\|[ \t]*,?[ \t]*")  # kohya: tags before it stay in front

Captions = Literal["first", "random", "all"]


def answer_in(value: Any) -> Answer:
    """The prompts that a value gives: a text is one, a list of texts several; anything else is none."""
    if isinstance(value, str):
        return _of_text(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Answer(why="is empty")
    if isinstance(value, Mapping):
        if MESSAGE & value.keys():
            return Answer(why="is a message to a model, not text")
        texts = [text for key in PROMPT if key in value for text in answer_in(value[key]).texts]
        return Answer((texts[0],)) if len(texts) == 1 else Answer(why="is an object, not text")
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        answers = [answer_in(each) for each in value]
        several = tuple(dict.fromkeys(text for answer in answers for text in answer.texts))
        syntax = any(answer.syntax for answer in answers)
        return Answer(several, why="" if several else "is a list without texts", syntax=syntax)
    return Answer(why=f"is {type(value).__name__}, not text")


def _of_text(text: str) -> Answer:
    text = text.strip().strip(BLANK).strip()
    if why := why_none(text):
        return Answer(why=why)
    if BYTES.fullmatch(text):
        return Answer(why="is bytes that were made text, not text")
    if text[0] in "[{" and len(text) < 2**16:  # a list or an object that was made text: by repr, or as JSON
        value = literal(text)
        if isinstance(value, (list, tuple, dict)) and not _emphasis(value):
            return answer_in(value)
    found = parse_parameters(text) if "Negative prompt:" in text or "Steps:" in text else None
    if found is not None:  # all that a program wrote of an image, in one cell
        if not found.prompt:
            return Answer(why=found.why or "is empty")
        return Answer((found.prompt,), syntax=True)
    words, why = without_label(text)
    of_generator = OPTIONS_OF_MIDJOURNEY.search(words) or ADDRESSES.match(words)
    return Answer((words,) if words else (), why, syntax=of_generator is not None)


def literal(text: str) -> Any:
    """The value that a text of JSON or Python writes; None for any other text."""
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            pass
    return None


def _emphasis(value: Any) -> bool:
    """``[1]`` and ``{{1}}`` may be a prompt's own brackets: only what holds texts is a list that was one."""
    return not any(isinstance(each, (str, dict, list)) for each in value)


def read_text(path: str | os.PathLike[str]) -> tuple[str, str]:
    """The text of a small file, and why there is none; one of the two is empty."""
    data = read(path, (0, LONGEST + 1))
    if isinstance(data, str):
        return "", data
    if len(data) > LONGEST:
        return "", f"is longer than {LONGEST} bytes"
    try:
        text = decode_text(data)[0].strip()
    except ValueError as error:
        return "", str(error)
    return text, "" if text else "is empty"


def answer_in_file(path: str | os.PathLike[str]) -> Answer:
    """What a text file beside an image says: the prompt in a program's own form, else a caption per line."""
    text, why = read_text(path)
    return (
        Answer(why=f"{os.path.basename(path)} {why}") if why else answer_in_text(text, os.path.basename(path))
    )


def answer_in_bytes(name: str, data: bytes) -> Answer:
    """The same of the bytes of a text file."""
    try:
        return answer_in_text(decode_text(data)[0].strip(), name)
    except ValueError as error:
        return Answer(why=f"{name} {error}")


def answer_in_text(text: str, name: str) -> Answer:
    """The same of its text; `name` is what the file is called."""
    text = KEPT.sub(", ", text.replace("\ufeff", "")).strip().strip(BLANK).strip()
    whole = _of_text(text)
    listed = bool(whole.texts) and whole.texts != (text,) and not whole.syntax
    if as_json(text) is not None:
        found = in_json(text)
        if found is None:
            return whole if listed else Answer(why=f"{name} holds JSON of no known program")
    elif (found := easydiffusion.read_lines(text) or parse_parameters(text)) is not None:
        pass
    elif why := whole.why or _no_caption(text):
        return Answer(why=f"{name} {why}")
    elif listed:
        return whole
    if found is not None:
        return answer_of_found(found)
    if any(
        map(BETWEEN.fullmatch, lines(text))
    ):  # A1111's, on a line of its own: one prompt over several lines
        return Answer((text,), syntax=True)
    captions = answer_in([line for line in lines(text) if not HEADING.fullmatch(line)] or lines(text))
    return captions if captions.texts else Answer(why=f"{name} {_of_text(lines(text)[0]).why}")


def in_json(text: str) -> Found | None:
    """What a program says whose JSON this is; None where it is that of none that is known."""
    return read_texts({"parameters": text}) or read_texts({"prompt": text})


def answer_of_found(found: Found) -> Answer:
    """What a program's file says, as an answer."""
    return Answer((found.prompt,) if found.prompt else (), found.why or "its prompt is empty", syntax=True)


def _no_caption(text: str) -> str:
    if PAGE.match(text):
        return "is a web page, XML or RTF, not text"
    found = lines(text)
    if any(map(_of_detector, found)):
        return "holds numbers for words, as detectors write them"
    if len(found) == 1 and not found[0].isdecimal() and NUMBER_OR_ID.fullmatch(found[0]):
        return "holds a number or an id, and no words"
    if all(map(LOGGED.fullmatch, found)):
        return "is a log, and no caption"
    if len(found) > 2 and all(len(line.split()) <= 4 for line in found) and _are_tags(found):
        return "holds a tag on each line, and no caption; write them in one line"
    if found[0] == "---" or (len(found) > 1 and all(map(NAMED.fullmatch, found))):
        return "holds settings by their names, and it is not known which of them is the prompt"
    return ""


def _of_detector(line: str) -> bool:
    """Whether a line is of numbers for the most part, at least four: a class and the corners of a box."""
    words = re.split(r"[\s,;]+", line)
    count = sum(NUMBER.fullmatch(word) is not None for word in words)
    return count >= 4 and count >= 0.7 * len(words)


def _are_tags(found: list[str]) -> bool:
    """Whether most lines are one word, or a name and a word: ``1girl``, ``rating:safe``."""
    return sum(len(line.split()) == 1 for line in found) > len(found) / 2


def lines(text: str) -> list[str]:
    """The lines of a text that hold anything."""
    return [line.strip() for line in re.split(r"\r\n|\r|\n", text) if line.strip()]


def chosen(texts: Sequence[str], captions: Captions, name: str) -> Sequence[str]:
    """Of several captions of an image the first, all, or one that its name decides."""
    if captions == "all" or len(texts) < 2:
        return texts
    if captions == "first":
        return texts[:1]
    seed = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    return (random.Random(seed).choice(texts),)
