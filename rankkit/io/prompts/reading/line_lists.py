"""Texts with a prompt on each line: what is no such list, what stands around the lines, what is no prompt."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence

from rankkit.core.text import one_line
from rankkit.io.prompts.reading.texts import PROMPT, lines, literal

COMMENT = re.compile(r"#\s")
REMARK = re.compile(r"(?:#|//|;\s).*|[=*~]{3,}")  # in a list that nobody counts the lines of
HEADING = re.compile(
    r"(?:my |the )?(?:prompts?|captions?)(?: list)?\s*:?|(?:list of )prompts\s*:?", re.IGNORECASE
)
NUMBER = re.compile(r"(?P<number>\d{1,7})(?:[.):]\s+|\s*\t\s*)(?P<line>\S.*)")
AROUND = (  # what may stand around every line of a list
    re.compile(r"[-*•]\s+(?P<line>\S.*)"),
    re.compile(r"“(?P<line>[^“”]+)”,?"),
    re.compile(r"(?P<quoted>\"(?:[^\"\\]|\\.)+\"|'(?:[^'\\]|\\.)+'),?"),
    re.compile(r"(?:positive )?prompt\s*[:=：]\s*(?P<line>\S.*)", re.IGNORECASE),
    NUMBER,
)
OPTIONS = re.compile(r"\s--[a-z][a-z0-9_]{0,20}(?:\s|$).*")  # kohya's and Midjourney's, behind the prompt
SETTINGS = re.compile(
    r"negative(?:[ _]prompt)?\s*[:=：]|(?:positive )?prompt\s*[:=：]|steps: \d+, ", re.IGNORECASE
)
OPTION = re.compile(r"--[a-z].*|.*\s-[a-zA-Z]\s?\d+(?:\.\d+)?\s+-{1,2}[a-zA-Z].*")  # A1111's, InvokeAI's
PROGRAM = re.compile(r"\w+\s*=\s*(?:\[|\(|\{|\"\"\"|''')|(?:import|from) \w+|def \w+\(")
IMAGE = re.compile(r"\S+\.(?:png|jpe?g|webp|gif|bmp|avif)(?:#\d+)?(?:[\s,;:|]|$)", re.IGNORECASE)
CELL = re.compile(r"[\w #./-]{0,40}")
CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
LONGEST = 20_000  # characters of a prompt; a text encoder reads a few hundred words


def prompt_lines(text: str) -> list[str]:
    """A prompt per line, without comments (``# …``), the options of kohya's sample prompts (``--n …``), and
    what stands around every line of a list: numbers that count, dashes, quotation marks.
    """
    found = [line for line in lines(text) if not COMMENT.match(line)]
    for _ in range(2):  # numbers may stand before quotation marks, or behind them
        for marks in AROUND:
            found = _undressed(found, marks)
    if any(OPTIONS.search(line) for line in found):
        found = [OPTIONS.sub("", line) for line in found if not line.startswith("#")]
    return found


def without_remarks(text: str) -> tuple[str, str]:
    """A text without the lines that are comments of any kind, nor a heading, and what is to be said of it."""
    found = lines(text)
    kept = [line for line in found if not REMARK.fullmatch(line)]
    kept = kept[1:] if len(kept) > 1 and HEADING.fullmatch(kept[0]) else kept
    count = len(found) - len(kept)
    words = "s that are comments or headings are" if count > 1 else " that is a comment or a heading is"
    return "\n".join(kept), f"{count} line{words} left out" if count else ""


def why_no_list(text: str) -> str:
    """Why a text is no list with a prompt on each line, with the next step; empty where it is one."""
    found, plain = lines(text), prompt_lines(text)
    if not plain:
        return ""
    for number, line in enumerate(plain, 1):
        if len(line) > LONGEST:
            return (
                f"prompt {number} has {len(line):,} characters, and a prompt {LONGEST:,} at most; a line each"
            )
        if CONTROLS.search(line):
            return f"prompt {number} holds control characters ({one_line(line[:40])}); remove them"
    for fault in FAULTS:
        if why := fault(found, plain):
            return why
    return ""


def _undressed(found: list[str], marks: re.Pattern[str]) -> list[str]:
    """The lines without marks that are around all of them; a lone line keeps them, as it may be meant so."""
    dressed = [marks.fullmatch(line) for line in found]
    alone = len(found) < 2 and not SETTINGS.match(found[0] if found else "")
    if alone or not all(dressed):
        return found
    parts = [each.groupdict() for each in dressed if each]
    if "number" in marks.groupindex and not _counts([int(each["number"]) for each in parts]):
        return found
    return [_unquoted(each["quoted"]) if "quoted" in each else each["line"] for each in parts]


def _unquoted(text: str) -> str:
    return re.sub(r"\\([\"'\\])", r"\1", text[1:-1]).strip()


def _counts(numbers: Sequence[int]) -> bool:
    """Whether numbers count lines: on by one, on from 0 or 1 with gaps, or 1 throughout as in Markdown."""
    steps = {after - before for before, after in itertools.pairwise(numbers)}
    return steps == {1} or (numbers[0] in (0, 1) and min(steps, default=1) > 0) or set(numbers) == {1}


def _header(found: Sequence[str], plain: Sequence[str]) -> str:
    for mark, suffix in (("\t", "tsv"), (",", "csv"), (";", "csv"), ("|", "csv")):
        cells = [cell.strip().strip('"').strip() for cell in found[0].split(mark)]
        named = any(cell.lower() in PROMPT for cell in cells) and all(map(CELL.fullmatch, cells))
        if len(cells) > 1 and named:
            return f"its first line names columns ({one_line(found[0][:60])}); call it .{suffix}"
    return ""


def _cells(found: Sequence[str], plain: Sequence[str]) -> str:
    counts = {line.count("\t") for line in plain}
    if len(plain) > 1 and len(counts) == 1 and counts != {0}:
        return (
            f"each line has {counts.pop() + 1} cells separated by tabs, and which of them is the prompt is "
            "not said; give it a first line that names them, one of them prompt, and call it .tsv"
        )
    return ""


def _numbers(found: Sequence[str], plain: Sequence[str]) -> str:
    """Lines whose numbers are 1 to N in another order: whether they or the lines count is not known."""
    numbered = [NUMBER.fullmatch(line) for line in plain]
    numbers = [int(each["number"]) for each in numbered if each]
    if len(plain) < 2 or len(numbers) < len(plain) or sorted(numbers) == numbers:
        return ""
    if sorted(numbers) not in (list(range(len(plain))), list(range(1, len(plain) + 1))):
        return ""
    return (
        f"its lines are numbered, and not in order (the first is {numbers[0]}); sort them, or write a .csv "
        "table with a header: id and prompt"
    )


def _images(found: Sequence[str], plain: Sequence[str]) -> str:
    if all(map(IMAGE.match, plain)):
        return (
            f"its lines begin with names of images ({one_line(plain[0][:40])}); write it as a .csv or .tsv "
            "table with a header: image and prompt"
        )
    return ""


def _settings(found: Sequence[str], plain: Sequence[str]) -> str:
    named = [line for line in plain if SETTINGS.match(line)]
    if named:
        return (
            f"it holds settings by their names ({one_line(named[0][:40])}), and which lines are prompts is "
            "not certain; leave a prompt on each line and nothing else"
        )
    return ""


def _options(found: Sequence[str], plain: Sequence[str]) -> str:
    line = next(filter(OPTION.fullmatch, plain), None)
    if line is not None:
        return (
            f"its lines hold options of a program ({one_line(line[:40])}); leave a prompt on each line alone"
        )
    return ""


def _program(found: Sequence[str], plain: Sequence[str]) -> str:
    if PROGRAM.match(found[0]):
        return f"it is a program ({one_line(found[0][:40])}); leave a prompt on each line and nothing else"
    return ""


def _list(found: Sequence[str], plain: Sequence[str]) -> str:
    if found[0].startswith("{") and isinstance(literal(found[0]), dict):
        return "its first line is a JSON object; call it .jsonl to have it read as a table"
    if not found[0].startswith("[") or not found[-1].endswith("]"):
        return ""
    value = literal("\n".join(found))
    if isinstance(value, list) and any(isinstance(each, (str, dict)) for each in value):
        return "it is a list as programs write it; as JSON call it .json to have it read as one"
    return ""


FAULTS: tuple[Callable[[Sequence[str], Sequence[str]], str], ...] = (
    _list, _header, _images, _cells, _numbers, _settings, _options, _program,
)  # fmt: skip
