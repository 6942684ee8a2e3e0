"""Whether prompts without names go to images by the order of the images' names, a prompt each."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from rankkit.core.text import one_line
from rankkit.io.prompts.base import natural

# An image of several samples.
SHEET = re.compile(r"(?:grid|contact[-_ ]?sheet)(?:[-_ ]?\d+)?", re.IGNORECASE)
NUMBERED = re.compile(r"(.+)[-_](\d+)")  # whose sample it is, and which
WORD, FIRST = re.compile(r"[^\W_]+"), 3  # words of a prompt that tell it from others
LEAD = re.compile(  # what stands before a line that may be a name, with what is around it
    r"(?P<before>[\[(#\s]*)(?P<name>[^\s#:|,;\])]+)(?P<behind>[\s#:|,;\])]*(?:[-–—=>]+\s)?)"
)
TIME = re.compile(
    r"(?:19|20)\d\d[-_. ]?\d\d[-_. ]?\d\d|(?<!\d)1\d{9}(?:\d{3}){0,2}(?!\d)|\d\d[-_.]\d\d[-_.]\d\d"
)
TWICE_A_DAY = re.compile(  # an hour, or a month by its name: such times do not sort
    r"[ap]\.?m\b|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]* \d", re.IGNORECASE
)
BRACKETS = "()[]<>{},;:'\""
LONGEST_NUMBER = 19  # digits of one that counts
ONE_NUMBER = re.compile(r"[^\d\n]{0,80}(\d{1,30})[^\d\n]{0,80}", re.ASCII)


def why_other(names: Sequence[str], prompts: Sequence[str]) -> str:
    """Why prompts are not those of the images at their places: the name of one holds the first words of
    another's prompt, as many programs put them there; empty where none does.
    """
    begins = defaultdict[tuple[str, ...], set[int]](set)
    for number, prompt in enumerate(prompts):
        begins[tuple(WORD.findall(prompt.lower())[:FIRST])].add(number)
    for number, name in enumerate(names):
        words = WORD.findall(os.path.splitext(name)[0].lower())
        held = [begins.get(tuple(words[at : at + FIRST]), set()) for at in range(len(words) - FIRST + 1)]
        whose = set().union(*held)
        if whose and number not in whose:
            return f"{name} is called by the words of prompt {min(whose) + 1}, and is image {number + 1}"
    return ""


def why_labelled(names: Sequence[str], lines: Sequence[str]) -> str:
    """Why lines are no prompts by order: each begins with the name or number of an image, or holds the name
    of a file; empty where that is not so. In order, a word that is a name too may be one of the prompt.
    """
    stems = [_stem(name).casefold() for name in sorted(names, key=natural)]
    leads = [found for found in map(LEAD.match, lines) if found]
    if len(lines) < 2 or len(leads) != len(stems):
        return ""
    told, begins = one_line(lines[0][:40]), [each["name"].casefold() for each in leads]
    numbers = [as_number(name) if name.isdecimal() else "" for name in begins]
    for own, held in ((stems, begins), (list(map(as_number, stems)), numbers)):
        words_alone = own == held and not any((each["before"] + each["behind"]).strip() for each in leads)
        if "" not in own and len(set(own)) == len(own) and sorted(own) == sorted(held) and not words_alone:
            return f"its lines begin with names or numbers of the images ({told})"
    files = {os.path.basename(name).casefold() for name in names}
    if all(any(word.strip(BRACKETS).casefold() in files for word in line.split()) for line in lines):
        return f"its lines hold names of images ({told})"
    return ""


def is_sheet(name: str) -> bool:
    """Whether an image is called as programs call a sheet of their samples: ``grid-0000.png``."""
    return SHEET.fullmatch(_stem(name)) is not None


def why_not(names: Collection[str]) -> str:
    """Why the order of these names does not tell whose the prompts are; empty where it does."""
    sheets = sum(map(is_sheet, names))
    if sheets and sheets < len(names):
        return "some are called as contact sheets are (grid.png)"
    numbered = [found.groups() for found in map(NUMBERED.fullmatch, map(_stem, names)) if found]
    for each in (numbered, [os.path.split(name) for name in names]):
        samples = defaultdict[str, set[str]](set)
        for owner, which in each:
            samples[owner].add(which)
        kinds = set(map(frozenset, samples.values()))
        number = len(next(iter(kinds), ()))
        if len(kinds) == 1 < number and len(samples) > 1 and len(samples) * number == len(names):
            return f"their names count {number} samples of each of {len(samples)} things"
    counted = [as_number(_stem(name)) for name in sorted(names, key=natural)]
    numbers = [int(number) for number in counted if number]
    if len(numbers) == len(names) and numbers != (run := sorted(numbers)) and is_run(run):
        return f"their names count from {run[0]} to {run[-1]}, and not in their own order"
    return ""


def why_uncounted(names: Sequence[str]) -> str:
    """Why names do not count the images, in their natural order: by their first number or their last, by the
    time, or by letters; empty where they do. Numbers that do not follow one another may be seeds.
    """
    stems = [_stem(name) for name in sorted(names, key=natural)]
    numbers = [re.findall(r"\d{1,18}", stem) for stem in stems]
    counted = all(numbers) and any(is_run([int(found[at]) for found in numbers]) for at in (0, -1))
    letters = all(len(stem) == 1 for stem in stems) and is_run(list(map(ord, stems)))
    times = all(TIME.search(stem) and not TWICE_A_DAY.search(stem) for stem in stems)
    if counted or letters or times:
        return ""
    return f"their names do not count them ({stems[0][:40]}, {stems[1][:40]})" if len(stems) > 1 else ""


def as_count(text: str) -> int | None:
    """The number that a text is, of a length that something may be counted with; None where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < LONGEST_NUMBER else None


def is_run(numbers: Sequence[int]) -> bool:
    """Whether numbers count on by one."""
    return list(numbers) == list(range(numbers[0], numbers[0] + len(numbers)))


def as_number(text: str) -> str:
    """The number in a name, without leading zeros; empty where there is none or more than one."""
    found = ONE_NUMBER.fullmatch(text.strip())
    return str(int(found[1])) if found else ""


def without_sheets(names: Iterable[str]) -> list[str]:
    """The names without those of contact sheets, unless all are called so."""
    found = list(names)
    return [name for name in found if not is_sheet(name)] or found


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[0]
