"""What the page shows, as data: columns (rankers), prompts, candidates and their cells."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

from rankkit.analysis.stats import kendall_tau_b


@dataclass(slots=True)
class Column:
    """One ranker as the rows know it: name, version and options together.

    `label` is what tells it from the others.
    """

    ranker: str
    version: str
    options: Mapping[str, Any]
    kind: str
    label: str = ""

    @property
    def pointwise(self) -> bool:
        """Whether its scores may be compared with those of another prompt."""
        return self.kind == "pointwise"


@dataclass(slots=True)
class Cell:
    """What one ranker says of one candidate.

    A score with its rank, or the reason (`error`) why it abstained.
    """

    score: float | None
    stderr: float | None
    rank: float | None
    of: int
    error: str | None
    sha256: str
    details: tuple[tuple[str, Any], ...]
    judge: Mapping[str, Any] | None = None  # what a pairwise judge's calls about the whole group came to

    @property
    def share(self) -> float | None:
        """The share of the other candidates it is ranked above.

        1 best, 0 worst, None where there is nothing to be above.
        """
        if self.rank is None or self.of < 2:
            return None
        return min(1.0, max(0.0, (self.of - self.rank) / (self.of - 1)))


@dataclass(slots=True)
class Candidate:
    """One image of a group; `cells` by column number."""

    name: str
    cells: dict[int, Cell] = field(default_factory=dict)

    @property
    def standing(self) -> float | None:
        """The mean of its shares over the rankers that ranked it."""
        shares = [share for cell in self.cells.values() if (share := cell.share) is not None]
        return sum(shares) / len(shares) if shares else None

    @property
    def ranked(self) -> bool:
        """Whether at least one ranker gave it a score."""
        return any(cell.score is not None for cell in self.cells.values())


@dataclass
class Prompt:
    """One group: `number` counts groups from 1 in the order of the rows; candidates come by name."""

    number: int
    id: str
    text: str
    candidates: dict[str, Candidate] = field(default_factory=dict)

    @cached_property
    def ordered(self) -> list[Candidate]:
        """Candidates from best to worst by standing, ties in the order of the rows.

        Those nobody ranked come last.
        """

        def place(candidate: Candidate) -> tuple[bool, float]:
            standing = candidate.standing
            return not candidate.ranked, -0.5 if standing is None else -standing

        return sorted(self.candidates.values(), key=place)

    @cached_property
    def taus(self) -> dict[tuple[int, int], float]:
        """Kendall's tau between each two rankers that both order something here."""
        if len(self.candidates) < 2:
            return {}
        columns = sorted({at for candidate in self.candidates.values() for at in candidate.cells})
        orders = {at: [_place(candidate, at) for candidate in self.candidates.values()] for at in columns}
        found = {(i, j): kendall_tau_b(orders[i], orders[j]) for i, j in combinations(columns, 2)}
        return {pair: value for pair, value in found.items() if not math.isnan(value)}

    @cached_property
    def disagreement(self) -> float | None:
        """1 - mean tau: 0 where all rankers give one order, 1 for unrelated orders, 2 for opposite ones."""
        return 1 - sum(self.taus.values()) / len(self.taus) if self.taus else None

    @cached_property
    def abstentions(self) -> int:
        """How many cells are without a score."""
        return sum(
            cell.score is None for candidate in self.candidates.values() for cell in candidate.cells.values()
        )

    def judge(self, column: int) -> Mapping[str, Any] | None:
        """What one pairwise ranker's calls about this group came to, if it says so.

        Also where every image abstained.
        """
        cells = (
            candidate.cells[column] for candidate in self.candidates.values() if column in candidate.cells
        )
        return next((cell.judge for cell in cells if cell.judge is not None), None)

    def scores(self, column: int) -> list[float]:
        """One ranker's scores here, in the order of the rows, abstentions left out."""
        return [
            score
            for candidate in self.candidates.values()
            if (score := _score(candidate, column)) is not None
        ]


@dataclass
class Results:
    """What rows say: rankers with their options (`columns`), and prompts with candidates and scores."""

    columns: list[Column]
    prompts: list[Prompt]

    @cached_property
    def images(self) -> int:
        """How many images there are, each counted once per prompt."""
        return sum(len(prompt.candidates) for prompt in self.prompts)

    @cached_property
    def abstentions(self) -> int:
        """How many verdicts are without a score."""
        return sum(prompt.abstentions for prompt in self.prompts)

    def comparable(self, column: int) -> bool:
        """Whether one ranker's scores may be put in one list.

        Pointwise ones always, others within a single prompt.
        """
        return self.columns[column].pointwise or len(self.prompts) == 1

    def extremes(
        self, column: int, n: int
    ) -> tuple[list[tuple[Prompt, Candidate]], list[tuple[Prompt, Candidate]]]:
        """The n highest and the n lowest candidates of all prompts by one ranker; no candidate is in both."""
        scored = [
            (s, -i, j)
            for i, p in enumerate(self.prompts)
            for j, c in enumerate(p.candidates.values())
            if (s := _score(c, column)) is not None
        ]
        high = heapq.nlargest(min(n, (len(scored) + 1) // 2), scored)
        low = heapq.nsmallest(min(n, len(scored) // 2), scored)
        return [self._at(-i, j) for _, i, j in high], [self._at(-i, j) for _, i, j in low]

    def _at(self, prompt: int, candidate: int) -> tuple[Prompt, Candidate]:
        return self.prompts[prompt], list(self.prompts[prompt].candidates.values())[candidate]

    def telling(self, limit: int) -> list[Prompt]:
        """At most `limit` prompts, in the order of the rows.

        In turn those with the most disagreement, the most abstentions, and each pointwise ranker's best and
        worst image; then the first ones.
        """
        if len(self.prompts) <= limit:
            return list(self.prompts)
        queues = [iter(queue) for queue in (*self._queues(), self.prompts)]
        chosen: dict[int, Prompt] = {}
        while len(chosen) < limit:
            for queue in queues:
                prompt = next((p for p in queue if p.number not in chosen), None)
                if prompt is not None and len(chosen) < limit:
                    chosen[prompt.number] = prompt
        return [chosen[number] for number in sorted(chosen)]

    def _queues(self) -> Iterator[list[Prompt]]:
        yield self.disputed
        yield sorted((p for p in self.prompts if p.abstentions), key=lambda p: -p.abstentions)
        for at in range(len(self.columns)):
            if self.comparable(at):
                span = [(min(scores), max(scores), p) for p in self.prompts if (scores := p.scores(at))]
                yield [p for _, _, p in sorted(span, key=lambda item: -item[1])]
                yield [p for _, _, p in sorted(span, key=lambda item: item[0])]

    @cached_property
    def folder(self) -> str:
        """The folder that all image names begin with, its slash included; empty when they share none."""
        first = next((name for prompt in self.prompts for name in prompt.candidates), "")
        shared = first[: first.rfind("/") + 1]
        for name in (name for prompt in self.prompts for name in prompt.candidates):
            while not name.startswith(shared):
                shared = shared[: shared.rstrip("/").rfind("/") + 1]
        return shared

    def short(self, name: str) -> str:
        """An image's name without the folder that all of them share."""
        return name[len(self.folder) :]

    @cached_property
    def disputed(self) -> list[Prompt]:
        """Prompts whose rankers differ, the most disagreement first."""
        return sorted((p for p in self.prompts if p.disagreement), key=lambda p: -(p.disagreement or 0))

    @cached_property
    def agreement(self) -> dict[tuple[int, int], float]:
        """Mean tau over the prompts, for each two rankers that both order at least one of them."""
        found: dict[tuple[int, int], list[float]] = {}
        for prompt in self.prompts:
            for pair, value in prompt.taus.items():
                found.setdefault(pair, []).append(value)
        return {pair: sum(values) / len(values) for pair, values in found.items()}


def _score(candidate: Candidate, column: int) -> float | None:
    cell = candidate.cells.get(column)
    return None if cell is None else cell.score


def _place(candidate: Candidate, column: int) -> float:
    cell = candidate.cells.get(column)
    return math.nan if cell is None or cell.rank is None else -cell.rank
