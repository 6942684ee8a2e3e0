"""What a run folder holds for its report: rows, images, and the comparison with the base, which is written
here too.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from drpo.data.prompts import WORLD
from drpo.report.evaluate import BaseComparison, Evaluated
from drpo.run import checkpoint
from drpo.run.files import EVALUATIONS, GRIDS, LOG, find, read_rows
from drpo.run.monitor import Evaluation
from drpo.run.paired import outcome
from drpo.run.sample_grid import save_image
from drpo.shapes import world
from drpo.types import Prompt
from rankkit import Ranking
from rankkit.plugin import Curve, replacing_file

EVALUATION, LOST = "evaluation.json", "evaluation"  # the comparison with the base, and images of lost pairs
TASK_FIELDS = ("tag", "task", "category", "challenge")  # of a prompt's metadata, as benchmarks name them
SMOOTH = 10  # steps in a running mean: one step's reward is of few prompts
WORST = 4  # lost pairs per ranker whose images are kept


class Pair(NamedTuple):
    """What a ranker said of one pair: the prompt's number, 1 for the run's image (½ a tie, None abstained),
    and the scores of the base's and the run's image where they compare between prompts.
    """

    prompt: int
    won: float | None
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class LostPair:
    """A pair in which a ranker prefers the base's image, and the files of both."""

    ranker: str
    prompt: int
    before: Path
    after: Path


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison with the base as it was kept: `pairs` by ranker, `tasks` and `texts` by prompt.

    Those of earlier versions have no pairs; the earliest hold `sentences` in place of numbers.
    """

    prompts: str
    comparisons: list[BaseComparison]
    texts: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    pairs: dict[str, list[Pair]] = field(default_factory=dict)
    lost: list[LostPair] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)


def keep(run: Path, found: Evaluated, prompts: str) -> None:
    """Keep a comparison of the run with its base, for its page: numbers, and images of lost pairs."""
    texts = [prompt.text for prompt in found.prompts]
    numbers = {text: number for number, text in enumerate(texts)}
    places = [numbers[group.prompt] for group in found.groups]
    shutil.rmtree(run / LOST, ignore_errors=True)
    rows, lost = [], list[dict[str, Any]]()
    for comparison, (name, rankings) in zip(found.comparisons, found.rankings.items(), strict=True):
        pairs = [_pair(*each) for each in zip(places, rankings, strict=True)]
        rows.append(comparison.as_json() | {"each_pair": pairs})
        for at in _worst(pairs):
            files = _keep_images(run / LOST, len(lost), found.groups[at].images)
            lost.append({"ranker": name, "prompt": places[at], **files})
    tasks = [task_of(prompt, prompts) for prompt in found.prompts]
    kept = {"prompts": prompts, "rankers": rows, "texts": texts, "tasks": tasks, "lost": lost}
    with replacing_file(run / EVALUATION) as part:
        part.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def comparison(run: Path) -> Comparison | None:
    """The comparison with the base that was kept, if one was made."""
    path = run / EVALUATION
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    if "rankers" not in found:  # earlier versions stored sentences
        return Comparison(found["prompts"], [], sentences=[str(line) for line in found.get("verdicts", [])])
    rows = found["rankers"]
    pairs = {row["ranker"]: [Pair(*each) for each in row.pop("each_pair", [])] for row in rows}
    lost = [
        LostPair(row["ranker"], row["prompt"], run / LOST / row["before"], run / LOST / row["after"])
        for row in found.get("lost", [])
    ]
    comparisons = [BaseComparison(**row | {"win_rate": row["win_rate"] or 0.0}) for row in rows]
    texts, tasks = found.get("texts", []), found.get("tasks", [])
    return Comparison(found["prompts"], comparisons, texts, tasks, pairs, lost)


def task_of(prompt: Prompt, source: str) -> str:
    """The task that a prompt belongs to, by its metadata or as a built-in one; empty where none is known."""
    if source in WORLD:
        return world.parse(prompt.text).task
    known = {name.lower(): value for name, value in prompt.metadata.items() if isinstance(value, str)}
    return next((known[name] for name in TASK_FIELDS if name in known), "")


def evaluations(run: Path) -> list[Evaluation]:
    """The evaluations of a run while it trained; a figure that is missing is NaN."""
    return [
        Evaluation(int(row["step"]), _scores(row), _number(row["diversity"]), _images(row))
        for row in read_rows(find(run, EVALUATIONS))
    ]


def changes(run: Path) -> tuple[str, list[tuple[str, str, str]]] | None:
    """The step of a run's last evaluation, and each of its fields with the figure at the first and at the
    last; None where there is none.
    """
    rows = read_rows(find(run, EVALUATIONS))
    if not rows:
        return None
    first, last = rows[0], rows[-1]
    fields = [field for field in first if "/" in field] + ["diversity"]
    figures = [(field, _figure(first[field]), _figure(last.get(field))) for field in fields]
    return f"{last['step']:.0f}", figures


def target(run: Path) -> str:
    """The ranker that the run was trained on; empty where it learned from stored images."""
    return str(checkpoint.read(run)["ranker"])


def logged(run: Path, name: str) -> list[tuple[float, float]]:
    """One figure of the run's log by step, without the steps that lack it."""
    return [(row["step"], row[name]) for row in read_rows(run / LOG) if row.get(name) is not None]


def rewards(run: Path) -> list[tuple[float, float]]:
    """The mean reward of the candidates by step, without the steps in which none got a score."""
    return logged(run, "reward")


def reward_curve(points: Sequence[tuple[float, float]]) -> Curve:
    """The reward of a run's candidates by step, smoothed as on its page, under a name that says so."""
    return Curve(f"mean reward of the candidates, running mean of {SMOOTH} steps", smooth(points))


def smooth(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The running mean over `SMOOTH` points."""
    values = [value for _, value in points]
    windows = [values[max(0, end - SMOOTH) : end] for end in range(1, len(values) + 1)]
    return [(step, sum(window) / len(window)) for (step, _), window in zip(points, windows, strict=True)]


def grids(run: Path) -> list[Path]:
    """The sample grids of a run, the latest last."""
    return sorted(find(run, GRIDS).glob("*.png"))


def _pair(prompt: int, ranking: Ranking) -> Pair:
    won = outcome(ranking)
    if math.isnan(won):
        return Pair(prompt, None, None, None)
    after, before = ranking.scores if ranking.kind == "pointwise" else (None, None)
    return Pair(prompt, won, before, after)


def _worst(pairs: Sequence[Pair]) -> Iterator[int]:
    """The places of the pairs that were lost by most, a prompt once; of equals the first ones."""
    lost = [at for at, pair in enumerate(pairs) if pair.won == 0]
    seen = set[int]()
    for at in sorted(lost, key=lambda at: (pairs[at].after or 0.0) - (pairs[at].before or 0.0)):
        if pairs[at].prompt not in seen and len(seen) < WORST:
            seen.add(pairs[at].prompt)
            yield at


def _keep_images(folder: Path, number: int, images: Sequence[Any]) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    words = zip(("after", "before"), images, strict=True)
    return {word: save_image(folder / f"{number}-{word}", image).name for word, image in words}


def _scores(row: dict[str, Any]) -> dict[str, float]:
    """The figures of an evaluation's rankers."""
    return {name.partition("/")[2]: _number(value) for name, value in row.items() if "/" in name}


def _images(row: dict[str, Any]) -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float | None]]] = row.get("images", {})
    return {
        name: [[_number(each) for each in prompt] for prompt in figures] for name, figures in found.items()
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _figure(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}"
