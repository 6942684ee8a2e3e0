"""The file of answers: one JSON line each, only ever appended to, and on the disk before the next question.

An answer that is taken back stays, and a line with the choice "undo" follows it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, get_args

from rankkit.core.text import printable
from rankkit.errors import BadSource, RankkitError, UsageError
from rankkit.io.atomic import settle, try_lock

Choice = Literal["a", "b", "tie", "skip", "undo"]
Pick = Literal["informative", "random", "repeat"]

START = b'{"question": "'  # how every line of ours begins


@dataclass(frozen=True, slots=True)
class Answer:
    """What one person said of two images of one prompt.

    `question` names the question; where four images were shown, it has several answers. The images are paths
    relative to the folder of the file. `at` is when the answer was given (UTC), `seconds` how long the images
    had been there. `place_a` and `place_b` say where each was shown, counted from 0 at the left. `pick` is
    why this pair: "random" ones are a fair sample of all pairs. `repeats` and `undoes` name an earlier
    question that this one asks again, or takes back.
    """

    question: str
    prompt: str
    image_a: str
    image_b: str
    choice: Choice
    who: str
    at: str
    seconds: float | None
    place_a: int
    place_b: int
    pick: Pick
    repeats: str = ""
    undoes: str = ""


def standing(answers: Iterable[Answer]) -> list[Answer]:
    """The answers that were not taken back, without the lines that took others back."""
    known = list(answers)
    undone = {answer.undoes for answer in known if answer.choice == "undo"}
    return [answer for answer in known if answer.choice != "undo" and answer.question not in undone]


def consistency(answers: Iterable[Answer]) -> tuple[int, int]:
    """How many repeated questions were answered as before, and how many there were; skipped ones are none."""
    known = {
        (answer.question, answer.image_a, answer.image_b): answer
        for answer in standing(answers)
        if answer.choice != "skip"
    }
    pairs = [
        (answer.choice, known[answer.repeats, answer.image_a, answer.image_b].choice)
        for answer in known.values()
        if (answer.repeats, answer.image_a, answer.image_b) in known
    ]
    return sum(now == before for now, before in pairs), len(pairs)


class AnswerFile:
    """A file of answers, open and locked for one person at a time.

    `answers` is what it holds. `repaired` says what was wrong with its end, empty where nothing was.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open it, or make it. A last line that was cut off is removed.

        Raises `UsageError` where it cannot be written or is in use, `BadSource` where it holds anything else
        than answers.
        """
        self.path = Path(path)
        if self.path.suffix.lower() != ".jsonl":
            raise UsageError(f"{path}: answers are kept one per line; give a name that ends in .jsonl")
        self.repaired = ""
        try:
            self._file = open(self.path, "a+b", buffering=0)
        except OSError as error:
            raise UsageError(
                f"{path} cannot be written: {error.strerror}; give another file with -o"
            ) from None
        try:
            if not try_lock(self._file):
                raise UsageError(
                    f"{path} is in use by another rankkit label; end that one, or give a file of your own "
                    f"with -o"
                )
            self.answers = self._read()
        except BaseException:
            self._file.close()
            raise

    def append(self, answers: Sequence[Answer]) -> None:
        """Add answers; they are on the disk when this returns.

        Raises `RankkitError` where they cannot be saved; the file is then as it was.
        """
        size = os.fstat(self._file.fileno()).st_size
        data = memoryview(b"".join(map(_line, answers)))
        try:
            while data:
                data = data[self._file.write(data) :]
            settle(self._file)
        except OSError as error:
            self._cut(size)
            raise RankkitError(
                f"{self.path}: the answer could not be saved ({error.strerror}); make room or mend it, and "
                f"answer again"
            ) from None
        self.answers += answers

    def close(self) -> None:
        """Close it; a file without any answer is removed."""
        if not self._file.closed:
            if not os.fstat(self._file.fileno()).st_size:
                self.path.unlink(missing_ok=True)
            self._file.close()

    def __enter__(self) -> AnswerFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> list[Answer]:
        self._file.seek(0)
        data = self._file.read()
        answers, rest = _parsed(self.path, data)
        if rest and _complete(rest):
            self._file.write(b"\n")
        elif rest:
            self._cut(len(data) - len(rest))
            self.repaired = f"the last line was cut off and is removed; the {len(answers)} before it are kept"
        return answers

    def _cut(self, size: int) -> None:
        try:
            self._file.truncate(size)
        except OSError as error:
            raise RankkitError(f"{self.path} cannot be mended: {error.strerror}; copy it elsewhere") from None


def read_answers(path: str | os.PathLike[str]) -> list[Answer]:
    """The answers in a file, which somebody may be adding to. Raises as `AnswerFile`."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; name a file of answers with -o") from None
    return _parsed(path, data)[0]


def _parsed(path: str | os.PathLike[str], data: bytes) -> tuple[list[Answer], bytes]:
    """The answers in the bytes of a file, and what stands after the last line break, where anything does."""
    whole, _, rest = data.rpartition(b"\n")
    lines = [*(whole.split(b"\n") if whole else []), *([rest] if _complete(rest) else [])]
    answers = [_answer(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not (rest.startswith(START) or START.startswith(rest)):
        raise _strange(path, len(lines) + 1, "it is no object")
    return answers, rest


def _complete(line: bytes) -> bool:
    try:
        return bool(line) and json.loads(line) is not None
    except (ValueError, RecursionError):
        return False


def _answer(path: str | os.PathLike[str], number: int, line: bytes) -> Answer:
    try:
        return _from_record(json.loads(line))
    except (ValueError, RecursionError) as error:
        raise _strange(path, number, str(error)) from None


def _strange(path: str | os.PathLike[str], number: int, why: str) -> BadSource:
    return BadSource(
        f"{path}, line {number} is no answer of rankkit label ({why}); give another file with -o"
    )


def _from_record(record: Any) -> Answer:
    """An answer; fields of later versions are left out. Raises ValueError, in words, for anything else."""
    if not isinstance(record, Mapping):
        raise ValueError(f"it is {type(record).__name__}, not an object")
    names = [field.name for field in fields(Answer)]
    if missing := [name for name in names[:-2] if name not in record]:
        raise ValueError(f"it has no {', '.join(missing)}")
    for name in ("question", "prompt", "image_a", "image_b", "who", "at", "repeats", "undoes"):
        if not isinstance(record.get(name, ""), str):
            raise ValueError(f"its {name} is not text")
    if record["choice"] not in get_args(Choice):
        raise ValueError(f"its choice is {str(record['choice'])[:80]!r}")
    return Answer(**{name: record[name] for name in names if name in record})


def _line(answer: Answer) -> bytes:
    record = {key: value for key, value in asdict(answer).items() if value != "" or key == "prompt"}
    record["prompt"], record["who"] = printable(answer.prompt), printable(answer.who)
    try:
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # a file name that is not UTF-8
        return json.dumps(record).encode() + b"\n"
