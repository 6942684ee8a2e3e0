"""Rows to GenEval's table: a score per task and their unweighted mean, with intervals.

What is missing is never hidden.
"""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from rankkit.errors import RankkitError
from rankkit.plugin import Row, effective_size, read_rows, wilson
from rankkit_geneval.prompts import by_text
from rankkit_geneval.vocabulary import TASKS


@dataclass(frozen=True, slots=True)
class Score:
    """A share in [0, 1] of `images` images of `prompts` prompts; `abstained` images more have no verdict.

    `low` and `high` hold the 95 % interval: Wilson's, at the effective number where several images share a
    prompt.
    """

    task: str
    score: float
    low: float
    high: float
    images: int
    prompts: int
    abstained: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """GenEval's result. `overall` is the unweighted mean of the task scores; None where a task is missing.

    `images` and `prompts` are shares over all tasks: images that are correct, and prompts of which any
    image is.
    """

    tasks: tuple[Score, ...]
    overall: Score | None
    images: float
    prompts: float
    missing: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as plain objects."""
        return asdict(self)


@dataclass
class _Task:
    """What the rows say of one task: the verdicts of each prompt, and how many images have none."""

    verdicts: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    abstained: int = 0


def summarize(rows: Iterable[Row], *, partial: bool = False) -> Summary:
    """The table of one ranker's rows.

    A row counts by ``details["correct"]``, whatever the ranker's mode was.

    Raises `RankkitError` where a task is missing or an image abstained, unless `partial`; and where rows are
    of several rankers or of none.
    """
    tasks = _collect(rows)
    missing = tuple(task for task in TASKS if task not in tasks or not tasks[task].verdicts)
    abstained = sum(task.abstained for task in tasks.values())
    others = sorted(repr(name) for name, task in tasks.items() if name not in TASKS and task.verdicts)
    if others:
        raise RankkitError(
            f"rows have the task {', '.join(others)}, which GenEval does not; "
            f"its tasks are {', '.join(TASKS)}"
        )
    if not partial and (missing or abstained):
        raise RankkitError(
            " and ".join(_problems(missing, abstained))
            + "; the overall score would hide that: score the rest, or ask for --partial"
        )
    if len(missing) == len(TASKS):
        raise RankkitError(
            "no image has a verdict of geneval; score some first: rankkit score FOLDER -r geneval -o ROWS"
        )
    scores = {name: _score(name, tasks[name]) for name in TASKS if name not in missing}
    prompts = [any(found) for name in scores for found in tasks[name].verdicts.values()]
    images = [verdict for name in scores for found in tasks[name].verdicts.values() for verdict in found]
    overall = None if missing else _overall(list(scores.values()))
    return Summary(
        tuple(scores.values()), overall, sum(images) / len(images), sum(prompts) / len(prompts), missing
    )


def summarize_file(path: str | os.PathLike[str], *, partial: bool = False) -> Summary:
    """As `summarize`, of a .jsonl, .csv or .parquet file of rows."""
    return summarize(read_rows(path), partial=partial)


def as_text(summary: Summary) -> str:
    """The table for people: percent, 95 % intervals, counts, and what is missing."""
    lines = [f"{'task':<14}{'score':>7}   {'95 % interval':<15}{'images':>7}{'prompts':>9}{'abstained':>11}"]
    for score in [*summary.tasks, *([summary.overall] if summary.overall else [])]:
        interval = f"{score.low:6.1%} – {score.high:.1%}"
        lines.append(
            f"{score.task:<14}{score.score:>7.1%}   "
            f"{interval:<15}{score.images:>7}{score.prompts:>9}{score.abstained:>11}"
        )
    if summary.missing:
        lines.append(f"no overall score: nothing was judged of {', '.join(summary.missing)}")
    lines.append(
        f"correct images {summary.images:.1%} · prompts with any correct image {summary.prompts:.1%}"
    )
    judged = sum(score.prompts for score in summary.tasks)
    lines.append(f"{judged} prompts judged; the benchmark has {len(by_text())}")
    return "\n".join(lines)


def _collect(rows: Iterable[Row]) -> dict[str, _Task]:
    tasks: dict[str, _Task] = defaultdict(_Task)
    rankers: set[str] = set()
    for row in rows:
        details, abstained = row["details"], row["score"] is None
        if "correct" not in details and not (abstained and row["ranker"] == "geneval"):
            continue
        rankers.add(f"{row['ranker']} {row['version']} {json.dumps(row['options'], sort_keys=True)}")
        published = by_text().get(row["prompt"], {})
        task = tasks[str(details.get("tag") or published.get("tag") or "")]
        if abstained:
            task.abstained += 1
        else:
            task.verdicts[row["prompt"]].append(bool(details["correct"]))
    if len(rankers) > 1:
        raise RankkitError(
            f"the rows are of {len(rankers)} rankers ({'; '.join(sorted(rankers))}); "
            "give each a file of its own"
        )
    return tasks


def _problems(missing: Sequence[str], abstained: int) -> list[str]:
    problems = (
        [f"nothing was judged of the task{'s' if len(missing) > 1 else ''} {', '.join(missing)}"]
        if missing
        else []
    )
    return problems + ([f"{abstained} images abstained"] if abstained else [])


def _score(name: str, task: _Task) -> Score:
    verdicts = [verdict for found in task.verdicts.values() for verdict in found]
    cluster = np.repeat(np.arange(len(task.verdicts)), [len(found) for found in task.verdicts.values()])
    rate, count = sum(verdicts) / len(verdicts), len(verdicts)
    trials = float(count) if count == len(task.verdicts) else effective_size(verdicts, cluster)
    return Score(name, rate, *wilson(rate, trials), count, len(task.verdicts), task.abstained)


def _overall(scores: Sequence[Score]) -> Score:
    """The unweighted mean of the tasks.

    Its limits add the squared distances of theirs (Zou and Donner, Stat. Med. 27, 2008).

    So it stays in [0, 1], and tasks where all is right or wrong are not taken for certain.
    """
    rate = sum(score.score for score in scores) / len(scores)
    down = math.hypot(*(score.score - score.low for score in scores)) / len(scores)
    up = math.hypot(*(score.high - score.score for score in scores)) / len(scores)
    images, prompts, abstained = (
        sum(getattr(score, name) for score in scores) for name in ("images", "prompts", "abstained")
    )
    return Score("overall", rate, rate - down, rate + up, images, prompts, abstained)
