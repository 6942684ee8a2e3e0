"""A generator's syntax taken out of a prompt: what is left are the plain words that describe the image."""

from __future__ import annotations

import itertools
import re

# <lora:name:0.8> and other extra networks, <break>, embedding:name
TURNS = re.compile(r"<(?:alternate|alt|fromto)(?:\[[^\[\]<>]*\])?:([^<>]*)>", re.IGNORECASE)
TAG = re.compile(r"<[a-zA-Z][\w-]*(?:\[[^\[\]<>]*\])?:[^<>]*>|<break>|\bembedding:[\w./\\-]+")
SCHEDULE = re.compile(r"\[([^\[\]:|]*):(?:([^\[\]:|]*):)?\s*\d*\.?\d+\s*\]")  # [from:to:when], [to:when]
LATER = re.compile(r"\[([^\[\]:|]*)::\s*\d*\.?\d+\s*\]")  # [from::when]
IN_TURN = re.compile(r"\[([^\[\]|]*(?:\|[^\[\]|]*)+)\]")  # [one|other]
STRESS = re.compile(r"(?<![\w.])(-?)\d*\.?\d+::(.*?)(?:::|$)", re.DOTALL)  # 1.5::rain, night::
PLUSES = re.compile(
    r"(?<=\))(?:[+-]+|[012]\.\d+)(?=[\s,.;)]|$)|(?<=[a-zA-Z]{3})\+{2,}(?=[\s,.;)]|$)"
)  # (word)++, (word)1.3, word++
WEIGHT = re.compile(r":\s*[-+]?\d*\.?\d+\s*(?=[)\]])")
BRACKETS = re.compile(r"(?<!\\)[()\[\]{}]")
ESCAPED = re.compile(r"\\([()\[\]{}\\])")
QUOTED = r'"(?:[^"\\]|\\.)*"'
SEVERAL = re.compile(
    rf"\(\s*({QUOTED}(?:\s*,\s*{QUOTED})*)\s*\)\.(?:and|blend)\([^()]*\)"
)  # ("a", "b").and()
SWAPPED = re.compile(r"(\w+|\([^()]*\))\.swap\(([^()]*)\)")  # one.swap(other)
BREAK = re.compile(r"\b(?:BREAK|ADDCOMM|ADDBASE|ADDCOL|ADDROW)\b")
AND = re.compile(r"\bAND(?:_(?:PERP|SALT|TOPK))?\b")  # several prompts at once, each with a weight behind it
AND_WEIGHT = re.compile(r"\s*:\s*(-?)\d*\.?\d+\s*$")
ENDS, BEGINS = re.compile(r"\b[A-Z]{2,}\W*$"), re.compile(r"\W*[A-Z]{2,}\b")
# What Dynamic Prompts and UmiAI draw from.
DRAWN = r"\{[^{}|]*\|[^{}]*\}|(?<!\w)__[\w/*-]+__(?!\w)|<\[[^\[\]<>]+\]>"
SYNTAX = re.compile(  # what is syntax beyond doubt, and wildcards
    r"<(?:lora|lyco|hypernet):[^<>]*>|\([^()]*:\d*\.?\d+\)|\bembedding:[\w./\\-]+|\bBREAK\b"
    r"|\{[^{}]*\|[^{}]*\}|__[\w/*-]+__"
)
# --ar 3:2 --no hats, kohya's --n hats: what follows is no part of the prompt
OPTIONS_OF_MIDJOURNEY = re.compile(
    r"\s--(?:ar|aspect|v|version|niji|no|q|quality|s|style|stylize|c|chaos|seed|iw|sref|sw|cref|cw|tile|weird|w|raw"
    r"|hd|h|test|testp|uplight|upbeta|creative|stop|repeat|profile|p|fast|relax|turbo|n|d|l|g)(?=\s|$)"
)
COMMAS = re.compile(r"\s*,(?:\s*,)+")
# Of images that are part of a prompt, before its words.
ADDRESSES = re.compile(r"\A\s*(?:<?https?://[^\s<>]+>?(?:\s+|$))+")


def plain_words(prompt: str) -> str:
    r"""A prompt without extra networks, emphasis, BREAK and AND, options, and parts of negative weight.

    >>> plain_words("a fox, (fur:1.3) <lora:snow:0.8> BREAK [in snow], {{soft}} \\(plush\\) AND a dog :0.5")
    'a fox, fur in snow, soft (plush) and a dog'
    """
    prompt = OPTIONS_OF_MIDJOURNEY.split(prompt, maxsplit=1)[0] if "--" in prompt else prompt
    prompt = prompt[found.end() :] if (found := ADDRESSES.match(prompt)) else prompt
    if not any(
        mark in prompt for mark in ("<", "(", ")", "[", "]", "{", "}", "\\", "BREAK", "AND", "ADD", ":", "+")
    ):
        return COMMAS.sub(",", " ".join(prompt.split()))
    words = _repeated(TURNS, lambda found: re.sub(r"\|\||[|,]", " ", found[1]), prompt)
    words = _repeated(TAG, " ", words)
    words = SWAPPED.sub(r"\1 \2", SEVERAL.sub(lambda found: found[1].replace('"', ""), words))
    words = _together(BREAK.sub(" ", STRESS.sub(lambda found: "" if found[1] else found[2], words)))
    words = _repeated(LATER, r"\1", words)
    words = _repeated(SCHEDULE, _apart, words)
    words = IN_TURN.sub(lambda found: found[1].replace("|", " "), words)
    words = BRACKETS.sub("", WEIGHT.sub("", PLUSES.sub("", words)))
    words = COMMAS.sub(",", " ".join(ESCAPED.sub(r"\1", words).split())).replace(" ,", ",")
    return words.strip(" ,") if words.startswith(",") or not prompt.rstrip().endswith(",") else words


def _apart(found: re.Match[str]) -> str:
    """The words of a schedule, apart from each other and from a word that follows or goes before."""
    words = " ".join(filter(None, (found[1], found[2])))
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    return f"{' ' if before.isalnum() else ''}{words}{' ' if after.isalnum() else ''}"


def _repeated(pattern: re.Pattern[str], put: object, words: str) -> str:
    """A pattern replaced until none is left inside another, at most a few times."""
    for _ in range(5):
        words, count = pattern.subn(put, words)  # type: ignore[call-overload]
        if not count:
            break
    return words


def _together(words: str) -> str:
    """Prompts that are joined by AND, in one sentence; between words in capitals it is no syntax."""
    parts = AND.split(words)
    if len(parts) == 1 or any(ENDS.search(a) and BEGINS.match(b) for a, b in itertools.pairwise(parts)):
        return words
    weights = [AND_WEIGHT.search(part) for part in parts]
    return "and".join(
        f"{AND_WEIGHT.sub('', part)} " if weight else part
        for part, weight in zip(parts, weights, strict=True)
        if not (weight and weight[1])
    ).strip()
