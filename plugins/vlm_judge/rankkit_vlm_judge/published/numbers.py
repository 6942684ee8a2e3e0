"""Numbers in the replies of published models: each as the question asks for it, or None; never guessed."""

from __future__ import annotations

import re

AXES = ("alignment", "coherence", "style")
FIRST, SECOND, EQUAL = "Image 1 is better", "Image 2 is better", "Both images are equally good"

_NUMBER = r"[\s*]{0,5}(-?\d+(?:\.\d+)?)(?!\w|\.\d)"
# of five, if of anything; no percentage, and no other number in the same sentence: no range, no correction
_OF_FIVE = (
    r"(?:\s?(?:/|out of)\s?5(?:\.0)?(?!\.?\d)"
    r"|\s?\((?:out )?(?:of |scale )?(?:1\s?(?:[-–]|to)\s?)?5\))?"
    r"(?![*_]{0,3}\s?(?:/|%|percent|out of))(?!(?:(?!Score)[^\n.;])*\d)"
)
_SAID = re.compile(f"{FIRST}|{SECOND}|{EQUAL}")
_CONCLUDED = re.compile(
    r"(?: overall)?(?: than Image [12])?[*\"'”’)\]]{0,4}"
    r"(?:[.!;]|\s*\Z|[ \t]*\n|,?\s(?:because|since|as|due to)\b"
    r"|,\s(?!but|while|whereas|though|although|yet|if)\w)"
)
_DOUBTED = re.compile(
    r"\b(?:not|never|neither|nor|whether|if|unless|hardly|cannot|would)\b|n['’]t\b", re.IGNORECASE
)


def final_score(text: str) -> dict[str, float] | None:
    r"""The one number from 1 to 5 after ``Final Score:``, as ``score``.

    >>> final_score("cat (object): 1\nFinal Score: 3.5"), final_score("Final Score: 7"), final_score("4")
    ({'score': 3.5}, None, None)
    """
    told = re.findall(rf"Final Score:{_NUMBER}{_OF_FIVE}", text)
    if not told or len(told) != text.count("Final Score:") or len(set(map(float, told))) > 1:
        return None
    return _within({"score": float(told[0])}, 1, 5)


def axis_scores(text: str) -> dict[str, float] | None:
    r"""A number from 1 to 5 for alignment, coherence and style, each told once.

    >>> axis_scores("Alignment Score (1-5): 4\nCoherence Score (1-5): 3.5\nStyle Score (1-5): 2")
    {'alignment': 4.0, 'coherence': 3.5, 'style': 2.0}
    """
    found = {}
    for axis in AXES:
        told = re.findall(rf"{axis.title()} Score(?: \(1-5\))?:{_NUMBER}{_OF_FIVE}", text)
        if len(told) != 1:
            return None
        found[axis] = float(told[0])
    return _within(found, 1, 5)


def axis_shares(text: str) -> dict[str, float] | None:
    r"""The first image's share of alignment, coherence and style, where both shares make one.

    >>> axis_shares("".join(f"{axis} Score:\n Image 1: 0.7\n Image 2: 0.3\n" for axis in
    ...                     ("Alignment", "Coherence", "Style")))
    {'alignment': 0.7, 'coherence': 0.7, 'style': 0.7}
    """
    found = {}
    for axis in AXES:
        told = re.findall(rf"{axis.title()} Score:\s*Image 1:{_NUMBER}\s+Image 2:{_NUMBER}", text)
        if len(told) != 1:
            return None
        first, second = map(float, told[0])
        if min(first, second) < 0 or abs(first + second - 1) > 0.01:
            return None
        found[axis] = first / (first + second)
    return found


def conclusion(text: str) -> dict[str, float] | None:
    """P(the first image is better) of the only conclusion in a text: 1, 0, or one half for equally good.

    None where it is denied or doubted; that an image is better in something is no conclusion.

    >>> conclusion("Image 2 is better."), conclusion("Image 1 is better. No: Image 2 is better.")
    ({'first': 0.0}, None)
    """
    told = set()
    for said in _SAID.finditer(text):
        before = re.split(r"[.!?;\n]", text[max(0, said.start() - 200) : said.start()])[-1]
        if _DOUBTED.search(before):
            return None
        if _CONCLUDED.match(text, said.end()):
            told.add({FIRST: 1.0, SECOND: 0.0, EQUAL: 0.5}[said.group()])
    return {"first": told.pop()} if len(told) == 1 else None


def answer(text: str) -> dict[str, float] | None:
    """The same of the only ``<answer>``, which holds nothing but the conclusion.

    >>> answer("<answer>Image 1 is better</answer>"), answer("Image 1 is better")
    ({'first': 1.0}, None)
    """
    told = {each.strip().rstrip(".") for each in re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)}
    return {"first": float(told == {FIRST})} if told in ({FIRST}, {SECOND}) else None


def _within(found: dict[str, float], least: float, most: float) -> dict[str, float] | None:
    return found if all(least <= value <= most for value in found.values()) else None
