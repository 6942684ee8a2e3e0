"""What a prompt quotes, and how far what was read is from it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

VARIANTS = "\ufe0e\ufe0f"  # that make a sign a text or an emoji
QUOTES = re.compile(
    # a straight one behind a digit opens nothing: it is inches
    r"""(?<![0-9])["＂]([^"＂]*)["＂]|``([^`']+)''|''([^']+)''"""
    r"""|“([^“”"]+)[”"]|”([^“”]+)”|„([^„“”"]+)[“”"]|‚([^‚‘’]+)[‘’]|«([^«»]+)»|»([^«»]+)«|‹([^‹›]+)›|›([^‹›]+)‹"""
    r"""|「([^「」]+)」|『([^『』]+)』|‘(.{1,300}?)’(?!\w)|(?<!\w)'(.{1,300}?)'(?!\w)""",
    re.DOTALL,
)
_ALONE = re.compile(r"""(?<![0-9])["＂]|[“”„«»‹›「」『』]""")
_AND = re.compile(r"(?<=\w)\s+['’‘]n['’]\s+(?=\w)", re.IGNORECASE)  # rock 'n' roll


def quoted(prompt: str) -> list[str]:
    """The texts in quotes of any usual kind, in order; apostrophes within words and inches are none.

    None where a quote is left that belongs to no other: nobody knows then where a text ends.

    >>> quoted('a sign that says "Mind the gap" beside “Open”')
    ['Mind the gap', 'Open']
    """
    prompt = _AND.sub(" n ", prompt.replace('\\"', '"'))
    if _ALONE.search(QUOTES.sub("", prompt)):
        return []
    found = ["".join(filter(None, match.groups())).strip() for match in QUOTES.finditer(prompt)]
    return [text for text in found if plain(text)]


def plain(text: str) -> str:
    """A text as it is compared: compatible characters unified, no case, nothing that cannot be seen."""
    seen = (
        each
        for each in unicodedata.normalize("NFKC", text).casefold()
        if unicodedata.category(each) != "Cf" and each not in VARIANTS
    )
    return "".join("".join(seen).split())


def distance(wanted: str, read: str, *, anywhere: bool) -> int:
    """Edit distance (Levenshtein 1966) from `read` to `wanted`.

    Insertions, deletions and replacements; with `anywhere` from the best passage of `read`.

    Ten lines rather than a library: texts in images are short, and a library for the plain distance does
    not do the second.
    """
    row = [0] * (len(read) + 1) if anywhere else list(range(len(read) + 1))
    for i, letter in enumerate(wanted, 1):
        above, row = row, [i]
        for j, other in enumerate(read, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (letter != other)))
    return min(row) if anywhere else row[-1]


def likeness(wanted: Sequence[str], read: str, *, anywhere: bool) -> float:
    """1 - the share of the wanted letters that are wrong, in [0, 1], over all the wanted texts.

    Without `anywhere` the texts are wanted as one, in order, and letters that nobody wanted count as wrong.
    """
    texts = [plain(text) for text in wanted] if anywhere else ["".join(map(plain, wanted))]
    found = plain(read)
    wrong = sum(min(len(text), distance(text, found, anywhere=anywhere)) for text in texts)
    return 1 - wrong / sum(map(len, texts))
