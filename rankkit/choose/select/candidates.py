"""Rows to candidates: one for each image and prompt, with its score, in the part in which it competes."""

from __future__ import annotations

import json
import math
import os
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from rankkit.choose.select.named import Column, Members, resolve
from rankkit.core.panel import combine_scores
from rankkit.errors import BadRows, UsageError
from rankkit.io.formats import read_rows
from rankkit.io.rows import Row, locate

Per = Literal["prompt", "folder", "all"]
NO_ROW = "has no row of {}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One image under one prompt.

    `image` is its name in the rows, `beside` the row file that names it, `path` the file where there is one.
    `score` is what it is chosen by: that of the one ranker, else the weighted mean rank in [0, 1] within its
    part; NaN where a ranker abstained, for the `reason`. `scores` are those of each ranker, `digests` the
    sha256 of what they saw, where their rows say it.
    """

    image: str
    prompt: str
    part: str
    score: float
    scores: Mapping[str, float]
    reason: str
    beside: str
    path: str | None
    digests: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Pool:
    """The candidates of row files by their parts, and by which rankers they are ordered.

    `per` says what a part is; `left_out` rows no longer count. `scale`: scores may be compared with a number.
    """

    parts: Mapping[str, Sequence[Candidate]]
    members: Members
    per: Per
    left_out: int = 0
    without_prompt: int = 0

    @property
    def scale(self) -> bool:
        """Whether there is one ranker, and it scores images by themselves."""
        return len(self.members) == 1 and self.members[0][0].pointwise


@dataclass(slots=True)
class _Image:
    """What all rows say of one image under one prompt, by ranker: score, group, reason and digest."""

    row: Row
    beside: str
    path: str | None
    verdicts: dict[Column, tuple[float, str, str, str]] = field(default_factory=dict)


def read_pool(
    files: Sequence[str | os.PathLike[str]], specs: Sequence[str] = (), per: Per | None = None
) -> Pool:
    """The candidates of row files, ordered by the rankers that the specs name, part by part.

    Rows that no longer count are left out. Raises `BadRows` for files without rows or with two scores for one
    image, `UsageError` for specs that name no ranker of theirs, and where scores of different groups of a
    ranker that compares within groups alone would be set side by side.
    """
    left_out = Counter[str]()
    rows = (
        (row, os.fspath(file)) for file in files for row in read_rows(file, lambda row: left_out.update(n=1))
    )
    return pool_of(rows, specs, per, left_out=left_out, where=", ".join(map(str, files)))


def pool_of(
    rows: Iterable[tuple[Row, str]],
    specs: Sequence[str] = (),
    per: Per | None = None,
    *,
    left_out: Counter[str] | None = None,
    where: str = "these scores",
) -> Pool:
    """As `read_pool`, from rows that are at hand, each with the file beside which its image may lie."""
    if per is not None and per not in get_args(Per):
        raise UsageError(f"per is {per!r}; it is one of {', '.join(get_args(Per))}")
    columns, images = _by_image(rows)
    if not images:
        raise BadRows(f"{where}: no rows to choose from")
    members = resolve(specs, list(columns.values()), where)
    per = per or ("prompt" if any(prompt for _, prompt in images) else "all")
    parts: dict[str, list[_Image]] = {}
    for image in images.values():
        parts.setdefault(_part(image.row, per), []).append(image)
    for name, part in parts.items():
        _check_comparable(name, part, members, per)
    without = sum(not image.row["prompt"] for image in images.values()) if per == "prompt" else 0
    found = {name: _candidates(name, part, members) for name, part in parts.items()}
    return Pool(found, members, per, (left_out or Counter())["n"], without)


def _by_image(
    rows: Iterable[tuple[Row, str]],
) -> tuple[dict[tuple[str, str, str], Column], dict[tuple[str, str], _Image]]:
    columns: dict[tuple[str, str, str], Column] = {}
    images: dict[tuple[str, str], _Image] = {}
    for row, beside in rows:
        key = row["ranker"], json.dumps(row["options"], sort_keys=True), row["version"]
        column = columns.setdefault(key, Column(row["ranker"], row["options"], row["version"]))
        path = locate(row["image"], beside)
        path = path if path and os.path.isfile(path) else None
        identity = (os.path.abspath(path) if path else row["image"]), row["prompt"]
        image = images.setdefault(identity, _Image(row, beside, path))
        score = math.nan if row["score"] is None else row["score"]
        column.pointwise &= row["kind"] == "pointwise" or math.isnan(score)
        verdict = score, row["group"], row["error"] or "", row["sha256"]
        known = image.verdicts.setdefault(column, verdict)
        if known[0] != score and not (math.isnan(known[0]) and math.isnan(score)):
            raise BadRows(
                f"{beside}: {row['image']} has two scores by {column.label}, {known[0]:g} and {score:g}; "
                f"give the rows of one run"
            )
    return columns, images


def _part(row: Row, per: Per) -> str:
    """What an image competes in; those without a prompt compete in the group in which they were ranked."""
    if per == "folder":
        return posixpath.dirname(row["image"]) or "."
    return "" if per == "all" else row["prompt"] or row["group"]


def _check_comparable(name: str, part: Sequence[_Image], members: Members, per: Per) -> None:
    """Refuse scores that mean nothing beside each other, and an image that would compete with itself."""
    for column, _ in members:
        groups = {
            verdict[1]
            for image in part
            if (verdict := image.verdicts.get(column)) and not math.isnan(verdict[0])
        }
        if not column.pointwise and len(groups) > 1:
            which = {"prompt": f"the prompt {name!r}", "folder": f"the folder {name}", "all": "all images"}
            raise UsageError(
                f"{column.label} orders images within their group alone, and {which[per]} would join "
                f"{len(groups)} groups ({', '.join(sorted(groups)[:3])} …); "
                + ("give one row file at a time" if per == "prompt" else "choose --per prompt")
            )
    twice = [image for image, n in Counter(each.path or each.row["image"] for each in part).items() if n > 1]
    if twice:
        raise UsageError(
            f"{twice[0]} has several prompts, and would compete with itself; choose --per prompt"
        )


def _candidates(name: str, part: Sequence[_Image], members: Members) -> list[Candidate]:
    """The images of a part with the score that decides; several rankers are combined by mean rank."""
    silent = {column: (math.nan, "", NO_ROW.format(column.label), "") for column, _ in members}
    verdicts = [[image.verdicts.get(column, silent[column]) for column, _ in members] for image in part]
    labels = [column.label for column, _ in members]
    scores = {label: [found[i][0] for found in verdicts] for i, label in enumerate(labels)}
    weights = {column.label: weight for column, weight in members}
    decisive = combine_scores(scores, weights) if len(members) > 1 else scores[labels[0]]
    return [
        Candidate(
            image.row["image"],
            image.row["prompt"],
            name,
            score,
            {label: found[0] for label, found in zip(labels, each, strict=True)},
            "; ".join(
                f"{label}: {reason or 'abstained'}"
                for label, (value, _, reason, _) in zip(labels, each, strict=True)
                if math.isnan(value)
            ),
            image.beside,
            image.path,
            frozenset(found[3] for found in each if found[3]),
        )
        for image, each, score in zip(part, verdicts, decisive, strict=True)
    ]
