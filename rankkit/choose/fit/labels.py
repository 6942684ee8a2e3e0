"""Files of people's choices as pairs of images, of which one was chosen, or neither.

The file of `rankkit label` says more than others: who answered, where each image was shown, and which
question was asked twice.
"""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rankkit.choose.label.answers import Answer, consistency, read_answers, standing
from rankkit.core.text import count
from rankkit.errors import BadSource, UsageError
from rankkit.io.preference_fields import StoredImage
from rankkit.io.preferences import Preference, PreferenceFile, open_preferences

LABEL = "rankkit label"
LEAST = 10  # answers that choose: fewer say nothing of a taste, nor of how well it is met
SHARE = {"a": 1.0, "b": 0.0, "tie": 0.5}
ONE_SIDE = 0.9  # share of answers for one side from which on it is said


@dataclass(frozen=True, slots=True)
class Choice:
    """What was said of two images of a prompt: `share` is 1 for the first, 0 for the second, ½ for a tie.

    `left` says whether the one that was chosen was shown at the left, None where that is not known.
    """

    file: PreferenceFile
    prompt: str
    names: tuple[str, str]
    stored: tuple[StoredImage, StoredImage]
    share: float
    who: str = ""
    left: bool | None = None


@dataclass
class Labels:
    """What the files hold beside their choices: who answered, and how consistent each person was.

    `sides` counts the answers that chose the left image, and the right one, of each person.
    """

    files: tuple[str, ...]
    people: Counter[str] = field(default_factory=Counter)
    repeated: tuple[int, int] = (0, 0)  # questions answered as before, and questions asked again
    sides: dict[str, tuple[int, int]] = field(default_factory=dict)

    def one_sided(self) -> Iterator[str]:
        """What is to be said of people who chose one side nearly always."""
        for who, (left, right) in self.sides.items():
            side, most = ("left", left) if left > right else ("right", right)
            if left + right >= LEAST and most >= ONE_SIDE * (left + right):
                yield (
                    f"{who} chose the image on the {side} in {most} of {left + right} answers, whatever "
                    f"it was; sides are drawn at random, so such answers say nothing of the images"
                )


def open_labels(paths: Sequence[str | os.PathLike[str]], folder: Path | None) -> list[PreferenceFile]:
    """The files, recognised by their content.

    Raises `UsageError` for a file that is given twice, else `UsageError` and `BadSource` as
    `open_preferences`.
    """
    if folder is not None and not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; give the one that the paths in the labels start from")
    for path, times in Counter(os.path.realpath(path) for path in paths).items():
        if times > 1:
            raise UsageError(
                f"{path} is given {times} times, and its answers would count as often; give it once"
            )
    return [open_preferences(path, images=folder) for path in paths]


def read_labels(files: Sequence[PreferenceFile], who: str | None) -> tuple[Labels, Iterator[Choice]]:
    """What the files say as a whole, and their choices, which are read as they are asked for.

    Only those of the person `who` where one is named. Raises `UsageError` where nobody of that name answered,
    `BadSource` where an answer stands twice, and where all answers are for one side.
    """
    labels = Labels(tuple(str(file.path) for file in files))
    answers = {file.path: read_answers(file.path) for file in files if file.format.name == LABEL}
    _refuse_copies(answers)
    people = Counter(
        each.who for given in answers.values() for each in standing(given) if each.choice in SHARE
    )
    if who is not None and who not in people:
        listed = ", ".join(f"{name} ({number})" for name, number in people.items())
        raise UsageError(
            f"--who {who}: "
            + (f"answers are by {listed}" if people else "the labels do not say who answered; leave it out")
        )
    labels.people = Counter({who: people[who]}) if who is not None else people
    own = [[each for each in given if who in (None, each.who)] for given in answers.values()]
    alike, again = zip(*map(consistency, own), strict=True) if own else ((), ())
    labels.repeated = sum(alike), sum(again)
    labels.sides = {name: _sides(name, own) for name in labels.people}
    _refuse_one_side(labels)
    return labels, itertools.chain.from_iterable(_choices(file, who) for file in files)


def _sides(who: str, answers: Sequence[Sequence[Answer]]) -> tuple[int, int]:
    """How many of a person's answers chose the left image, and how many the right one."""
    own = (each for given in answers for each in standing(given) if each.who == who)
    lefts = [left for each in own if (left := _left(each)) is not None]
    return sum(lefts), len(lefts) - sum(lefts)


def _refuse_copies(answers: Mapping[Path, Sequence[Answer]]) -> None:
    """An answer that stands twice, in a copy of a file or a part of it, would count twice."""
    first: dict[tuple[str, str, str], Path] = {}
    copies: Counter[tuple[Path, Path]] = Counter()
    for path, given in answers.items():
        for answer in standing(given):
            key = answer.question, answer.image_a, answer.image_b
            if key in first:
                copies[first[key], path] += 1
            else:
                first[key] = path
    for (one, other), number in copies.items():
        where = f"{one} twice" if one == other else f"{other} and in {one}"
        raise BadSource(
            f"{count(number, 'answer')} {'stands' if number == 1 else 'stand'} in {where}, and would count "
            f"twice; leave the copies out"
        )


def _refuse_one_side(labels: Labels) -> None:
    left, right = (
        (sum(counts) for counts in zip(*labels.sides.values(), strict=True)) if labels.sides else (0, 0)
    )
    if left + right >= LEAST and not (left and right):
        raise BadSource(
            f"{', '.join(labels.files)}: all {left + right} answers are for the image on the "
            f"{'left' if left else 'right'}, whichever that was; sides are drawn at random, so they say "
            f"nothing of the images"
        )


def _choices(file: PreferenceFile, who: str | None) -> Iterator[Choice]:
    if file.format.name == LABEL:
        for answer in standing(read_answers(file.path)):
            if answer.choice in SHARE and who in (None, answer.who):
                names = answer.image_a, answer.image_b
                share = SHARE[answer.choice]
                yield Choice(file, answer.prompt, names, names, share, answer.who, _left(answer))
    elif who is None:
        for entry in file.entries():
            yield from _pairs(file, entry)


def _left(answer: Answer) -> bool | None:
    """Whether the left one of two images was chosen; None for other answers, and where four were shown."""
    if answer.choice not in ("a", "b") or {answer.place_a, answer.place_b} != {0, 1}:
        return None
    return (answer.place_a == 0) == (answer.choice == "a")


def _pairs(file: PreferenceFile, entry: Preference) -> Iterator[Choice]:
    seen = [i for i, value in enumerate(entry.human) if not math.isnan(value)]
    for i, j in itertools.combinations(seen, 2):
        one, other = entry.human[i], entry.human[j]
        share = 0.5 if one == other else float(one > other)
        names, stored = (entry.names[i], entry.names[j]), (entry.images[i], entry.images[j])
        yield Choice(file, entry.prompt, names, stored, share)


def check_enough(labels: Labels, decided: int, ties: int, faults: dict[str, str], unread: int) -> None:
    """Raise `BadSource`, in words, where what is left of the labels cannot be fitted.

    `unread`: how many answers are about an image that cannot be read.
    """
    where = ", ".join(labels.files)
    first = next((f"{name}: {why}" for name, why in faults.items()), "")
    if faults and decided + ties == 0:
        advice = (
            "where they were moved, give --folder FOLDER, the one that their paths start from"
            if unread
            else "they can be read, and have no such features: give others with --features"
        )
        raise BadSource(
            f"{where}: of the images that it names none can be used ({len(faults)} faults; {first}); {advice}"
        )
    if ties and not decided:
        raise BadSource(f"{where}: all {count(ties, 'answer')} are ties, so nothing is preferred to anything")
    if decided < LEAST:
        lost = f" whose images can be used ({first})" if faults else ""
        raise BadSource(
            f"{where}: {count(decided, 'answer')} that chooses an image{lost}, and a taste needs at least "
            f"{LEAST}; answer more (rankkit label PATH -o labels.jsonl)"
        )
