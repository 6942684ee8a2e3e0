"""What `agree` found: its numbers, as JSON and in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from rankkit.analysis.agreement import Agreement, Kendall, Ties, Unreadable
from rankkit.analysis.stats import verdict
from rankkit.core.text import count, in_columns, one_line, plain
from rankkit.registry.published import Published

POLICY = {"half": "count half", "wrong": "count as wrong", "drop": "are left out"}


@dataclass(frozen=True)
class Report:
    """What `agree` found.

    `pairs` were decided by humans; `human_ties` and `undecided` entries (no choice at all) are left out.

    `published` is what the rankers' cards state of the same data's test split.

    `unreadable_pairs` could not be shown to any ranker; `unreadable` names the first images at fault of
    `unreadable_images`.
    """

    path: str
    images: str
    format: str
    entries: int
    prompts: int
    pairs: int
    human_ties: int
    undecided: int
    ties: Ties
    limit: int | None
    unreadable_pairs: int
    unreadable_images: int
    unreadable: tuple[Unreadable, ...]
    rankers: tuple[Agreement, ...]
    kendall: tuple[Kendall, ...]
    published: tuple[Published, ...] = ()

    @property
    def abstained(self) -> bool:
        """Whether any pair that humans decided went without an answer (exit code 3)."""
        return bool(self.unreadable_pairs or any(found.abstained for found in self.rankers))


def to_dict(report: Report) -> dict[str, Any]:
    """The report as JSON can hold it; NaN becomes null."""
    return plain(
        {**asdict(report), "interval": "95 % Wilson at the effective sample size, clustered by prompt"}
    )


def lines(report: Report) -> list[str]:
    """The report as lines of text for a terminal."""
    found = [*_preamble(report), "", *in_columns(accuracies(report)), *_remarks(report), "", *_matrix(report)]
    return [one_line(line) for line in found]


def accuracies(report: Report) -> list[list[str]]:
    """Accuracies as rows of cells, the header first."""
    rows = [["ranker", "accuracy", "95 % interval", "pairs", "prompts", "ties", "abstained"]]
    for found in report.rankers:
        known = not math.isnan(found.accuracy)
        accuracy, interval = (
            (f"{found.accuracy:.3f}", f"{found.low:.3f} to {found.high:.3f}") if known else ("-", "-")
        )
        rows.append(
            [
                found.ranker,
                accuracy,
                interval,
                *map(str, (found.pairs, found.prompts, found.ties, found.abstained)),
            ]
        )
    others = {one.ranker: f"{one.accuracy:.3f}" for one in report.published}
    if others:
        for row in rows:
            row.insert(3, others.get(row[0], "-") if row is not rows[0] else "published")
    return rows


def _preamble(report: Report) -> Iterator[str]:
    entries = count(report.entries, "entry", "entries")
    first = f"the first {entries}" if report.limit == report.entries else entries
    prompts, pairs = count(report.prompts, "prompt"), count(report.pairs, "pair")
    yield f"{report.path}: {report.format}, {first}, {prompts}, {pairs} decided by humans"
    ties, undecided = count(report.human_ties, "pair"), count(report.undecided, "entry", "entries")
    yield f"left out: {ties} that humans called a tie, {undecided} without a choice"
    yield (
        f"equal scores of a ranker {POLICY[report.ties]} (ties={report.ties}); pairs of one prompt are one "
        f"cluster"
    )
    if report.unreadable_images:
        where = f"in {report.images} (another folder: --images FOLDER)"
        pairs, images = count(report.unreadable_pairs, "pair"), count(report.unreadable_images, "image")
        abstain = "abstains" if report.unreadable_pairs == 1 else "abstain"
        yield f"{pairs} {abstain}, because {images} cannot be read {where}:"
        yield from (f"  {bad.where}: {bad.image}: {bad.reason}" for bad in report.unreadable)
        if report.unreadable_images > len(report.unreadable):
            yield f"  and {report.unreadable_images - len(report.unreadable)} more"


def _remarks(report: Report) -> Iterator[str]:
    for found in report.rankers:
        told = verdict(found.low, found.high, "", "it prefers what humans did not choose")
        if found.pairs and told:
            yield f"{found.ranker}: {told} (p = {found.p_value:.2g})"
        for reason, pairs in islice(found.reasons.items(), 3):
            yield f"{found.ranker}: {count(pairs, 'pair')} without an answer: {reason}"
    for one in report.published:
        yield f"published: {one.accuracy:.3f} of {one.ranker} on {one.data}, its test split: {one.source}"


def _matrix(report: Report) -> list[str]:
    names = list(dict.fromkeys(found.first for found in report.kendall))
    cells = {(found.first, found.second): _tau_cell(found) for found in report.kendall}
    rows = [["", *names], *([a, *(cells.get((a, b)) or cells[b, a] for b in names)] for a in names)]
    return ["Kendall tau-b within groups, mean over prompts (number of groups):", *in_columns(rows)]


def _tau_cell(found: Kendall) -> str:
    return "-" if math.isnan(found.tau) else f"{found.tau:+.3f} ({found.groups})"
