"""Rows to a leaderboard.

Means that say how sure they are, or how often one entry beats the others on the same prompt.
"""

from __future__ import annotations

import math
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rankkit.analysis.stats import Mean, Rate, clustered_mean, win_interval
from rankkit.errors import BadRows, UsageError
from rankkit.io.formats import read_rows
from rankkit.io.rows import Row, label

FILE, FOLDER = "file", "folder"

_Ranker = tuple[str, str]  # as one would write it, and its version


@dataclass
class Summary:
    """One entry as one ranker sees it.

    Only pointwise scores have a mean: others compare within their group alone.
    """

    entry: str
    ranker: str
    pointwise: bool = True
    abstained: int = 0
    scores: list[float] = field(default_factory=list)
    prompts: list[int] = field(default_factory=list)
    wins: Rate | None = None
    best: tuple[float, str] = (-math.inf, "")

    def add(self, row: Row, prompt: int) -> None:
        """Take in a row, whose prompt has this number."""
        self.pointwise &= row["kind"] == "pointwise"
        if (score := row["score"]) is None:
            self.abstained += 1
            return
        self.scores.append(score)
        self.prompts.append(prompt)
        if score > self.best[0]:
            self.best = score, row["image"]

    @property
    def mean(self) -> Mean:
        """Mean score ± standard error, clustered by prompt.

        Images without a prompt are clusters of their own.
        """
        return clustered_mean(self.scores, self.prompts)


@dataclass(frozen=True)
class Leaderboard:
    """A leaderboard: `entries` (files or folders) by `rankers`; `left_out` rows no longer count."""

    entries: tuple[str, ...]
    rankers: tuple[str, ...]
    cells: Mapping[tuple[str, str], Summary]
    left_out: int = 0

    def as_json(self) -> list[dict[str, Any]]:
        """One object per cell; NaN is null."""
        return [_as_json(cell) for cell in self.cells.values()]


def table(files: Sequence[str | Path], *, by: str = FILE) -> Leaderboard:
    """Read row files into a leaderboard.

    A row that is there twice, in a file given twice or in two files for one entry, counts once. With
    ``by="folder"`` an entry is the folder an image lies in, not the file of its row; with any other word
    it is the value of that field of the metadata that came with the prompt.
    Versions of a ranker are columns of their own.

    Raises `BadRows` when the files hold no row, `UsageError` when none has that field.
    """
    files = list(dict.fromkeys(files))
    read = _Rows(by)
    for file, named in zip(files, _labels(files), strict=True):
        for row in read_rows(file, read.leave_out):
            read.add(row, named)
    if not read.cells:
        raise BadRows(f"{', '.join(map(str, files))}: no rows that count")
    if by not in (FILE, FOLDER, *read.fields):
        known = ", ".join([FILE, FOLDER, *read.fields])
        raise UsageError(f"{', '.join(map(str, files))}: no row has the field {by!r}; there are {known}")
    return read.leaderboard()


class _Rows:
    """The rows that were read by now, summed up by entry and ranker; `fields` are those of their metadata."""

    def __init__(self, by: str) -> None:
        self.by = by
        self.cells: dict[tuple[str, _Ranker], Summary] = {}
        self.fields: dict[str, None] = {}
        self.left_out = 0
        # scores on one prompt (or in one group) by entry, where entries can be compared on it
        self._contests: dict[_Ranker, dict[str, dict[str, list[float]]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(list))
        )
        self._prompts: dict[str, int] = {}
        self._seen: set[int] = set()

    def leave_out(self, row: Row) -> None:
        """Count a row that is there and counts no longer."""
        self.left_out += 1

    def add(self, row: Row, file: str) -> None:
        """Take in a row of the file of this name, unless the same one was taken in before."""
        metadata = _metadata(row)
        self.fields |= dict.fromkeys(metadata)
        entry = _entry(self.by, file, row["image"], metadata)
        ranker, score = (label(row), row["version"]), row["score"]
        twin = hash((entry, ranker, row["group"], row["prompt"], row["image"], row["sha256"], score))
        if twin in self._seen:
            return
        self._seen.add(twin)
        cell = self.cells.setdefault((entry, ranker), Summary(entry, ranker[0]))
        prompt = row["prompt"] or f"\0{row['image']}"
        cell.add(row, self._prompts.setdefault(prompt, len(self._prompts)))
        if score is None:
            return
        if row["kind"] == "pointwise" and row["prompt"]:
            self._contests[ranker][row["prompt"]][entry].append(score)
        elif row["kind"] != "pointwise" and self.by != FILE:
            self._contests[ranker][row["group"]][entry].append(score)

    def leaderboard(self) -> Leaderboard:
        """What they come to; entries are compared where there are several."""
        entries = tuple(dict.fromkeys(entry for entry, _ in self.cells))
        columns = _columns(ranker for _, ranker in self.cells)
        for (entry, ranker), cell in self.cells.items():
            cell.ranker = columns[ranker]
            if len(entries) > 1:
                cell.wins = _wins(entry, self._contests[ranker].values())
        cells = {(cell.entry, cell.ranker): cell for cell in self.cells.values()}
        return Leaderboard(entries, tuple(columns.values()), cells, self.left_out)


def _columns(rankers: Iterable[_Ranker]) -> dict[_Ranker, str]:
    """What to call each ranker: with its version where there are several, whose scores do not compare."""
    known = dict.fromkeys(rankers)
    versions = Counter(name for name, _ in known)
    return {each: "{} ({})".format(*each) if versions[each[0]] > 1 else each[0] for each in known}


def _metadata(row: Row) -> Mapping[str, Any]:
    found = row["details"].get("metadata")
    return found if isinstance(found, dict) else {}


def _entry(by: str, file: str, image: str, metadata: Mapping[str, Any]) -> str:
    if by == FILE:
        return file
    return posixpath.dirname(image) or "." if by == FOLDER else str(metadata.get(by, f"(no {by})"))


def _wins(entry: str, contests: Iterable[Mapping[str, list[float]]]) -> Rate:
    """How often this entry's mean score on a prompt beats another entry's, ties half.

    Prompts are clusters.
    """
    outcomes: list[float] = []
    clusters: list[int] = []
    for number, contest in enumerate(contests):
        if entry in contest:
            own = sum(contest[entry]) / len(contest[entry])
            for other, scores in contest.items():
                if other != entry:
                    mean = sum(scores) / len(scores)
                    outcomes.append(1.0 if own > mean else 0.5 if own == mean else 0.0)
                    clusters.append(number)
    return win_interval(outcomes, clusters)


def _labels(files: Sequence[str | Path]) -> list[str]:
    stems = [Path(file).stem for file in files]
    return stems if len(set(stems)) == len(stems) else [str(file) for file in files]


def _as_json(cell: Summary) -> dict[str, Any]:
    mean = cell.mean
    found: dict[str, Any] = {
        "entry": cell.entry,
        "ranker": cell.ranker,
        "images": len(cell.scores),
        "prompts": len(set(cell.prompts)),
        "abstained": cell.abstained,
    }
    found["mean"] = mean.mean if cell.pointwise and not math.isnan(mean.mean) else None
    found["stderr"] = mean.stderr if cell.pointwise and not math.isnan(mean.stderr) else None
    if cell.wins is not None and not math.isnan(cell.wins.rate):
        found |= {"win_rate": cell.wins.rate, "low": cell.wins.low, "high": cell.wins.high}
    if cell.pointwise and cell.scores:
        found["best"] = cell.best[1]
    return found
