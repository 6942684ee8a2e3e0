"""Which candidates of a prompt are shown, and the figure of each: its image, its scores and its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rankkit.report.charts import bar
from rankkit.report.html import Html, clipped, folded, h, middle, number, rank, said
from rankkit.report.model import Candidate, Cell, Column, Prompt, Results
from rankkit.report.sections.parts import dot
from rankkit.report.thumbnails import Thumbnail, changed

EACH_END = 12  # candidates shown from either end of a large group
ABSTAINED = 4  # candidates of a large group shown although no ranker ranked them

Told = Mapping[int, Mapping[str, Any]]  # by column: what a pairwise ranker says of the group as a whole


@dataclass(frozen=True, slots=True)
class Cut:
    """What of one group is shown: `top`, then `bottom` when it is too large, then some that nobody ranked.

    The others are counted.
    """

    top: list[Candidate]
    bottom: list[Candidate]
    unranked: list[Candidate]
    between: list[Candidate]
    more_unranked: int


def cut(prompt: Prompt, each_end: int = EACH_END) -> Cut:
    """The whole group when it has at most twice `each_end` candidates, else both ends of it."""
    ordered = prompt.ordered
    if len(ordered) <= 2 * each_end:
        return Cut(ordered, [], [], [], 0)
    ranked = [candidate for candidate in ordered if candidate.ranked]
    rest = ordered[len(ranked) :]
    if len(ranked) <= 2 * each_end:
        return Cut(ranked, [], rest[:ABSTAINED], [], max(0, len(rest) - ABSTAINED))
    between = ranked[each_end : len(ranked) - each_end]
    return Cut(
        ranked[:each_end], ranked[-each_end:], rest[:ABSTAINED], between, max(0, len(rest) - ABSTAINED)
    )


def figure(
    results: Results,
    prompt: Prompt,
    candidate: Candidate,
    thumbnail: Thumbnail,
    told: Told,
    tag: str,
    place: int,
) -> Html:
    """One candidate: its image, what each ranker gave it, and the evidence; `tag` marks best and worst."""
    columns, name = results.columns, results.short(candidate.name)
    ranks = {
        f"data_r{at}": repr(cell.rank).removesuffix(".0")
        for at, cell in candidate.cells.items()
        if cell.rank is not None
    }
    stale = changed(thumbnail, (cell.sha256 for cell in candidate.cells.values()))
    return h(
        "figure",
        _frame(prompt, name, thumbnail),
        h("span", tag, class_=f"tag {tag}", title=f"{tag} mean rank over the rankers") if tag else None,
        h(
            "figcaption",
            h("div", h("bdi", middle(name, 34)), class_="name", title=clipped(candidate.name, 400)),
            h(
                "ul",
                [_verdict(columns[at], at, cell) for at, cell in sorted(candidate.cells.items())],
                class_="verdicts",
            ),
            h("p", "changed since it was scored", class_="warn stale") if stale else None,
            _evidence(columns, candidate, told),
        ),
        class_=f"candidate {tag}".strip(),
        data_order=place,
        data_name=clipped(name, 200),
        **ranks,
    )


def _frame(prompt: Prompt, name: str, thumbnail: Thumbnail) -> Html:
    name = middle(name, 80)
    if thumbnail.problem is not None:
        words = [h("b", "no image"), h("span", clipped(thumbnail.problem, 200))]
        return h(
            "div",
            words,
            class_="pic none",
            role="img",
            aria_label=f"no image of {name}: {clipped(thumbnail.problem, 200)}",
        )
    alt = f"{name}, a candidate for: {clipped(prompt.text, 120)}" if prompt.text else name
    return h(
        "div",
        h(
            "img",
            src=thumbnail.uri,
            alt=alt,
            width=thumbnail.width,
            height=thumbnail.height,
            decoding="async",
        ),
        class_="pic",
    )


def _verdict(column: Column, at: int, cell: Cell) -> Html:
    who = h(
        "span", dot(at), h("bdi", clipped(column.label, 60)), class_="who", title=clipped(column.label, 200)
    )
    if cell.score is None:
        reason = h("span", clipped(cell.error or "", 160), class_="reason")
        return h("li", who, h("span", "abstained", class_="rank warn"), reason, class_=f"c{at % 8}")
    error = h("small", f" ± {number(cell.stderr)}") if cell.stderr is not None else None
    score = h("span", number(cell.score), error, class_="score", title=repr(cell.score))
    # a pairwise ranker's scores mean little without their standard errors
    sure = " sure" if error and column.kind == "pairwise" else ""
    return h(
        "li",
        who,
        _rank(cell),
        score,
        bar(cell.share) if cell.share is not None else None,
        class_=f"c{at % 8}{sure}",
    )


def _rank(cell: Cell) -> Html | None:
    if cell.rank is None or cell.of < 2:
        return None
    return h("span", h("b", rank(cell.rank)), f"/{cell.of:,}", class_="rank", title="rank, 1 is best")


def _evidence(columns: Sequence[Column], candidate: Candidate, told: Told) -> Html | None:
    found = []
    for at, cell in sorted(candidate.cells.items()):
        common = told.get(at, {})
        pairs = [
            h("div", h("dt", key.replace("_", " ")), h("dd", folded(said(value), 200)))
            for key, value in cell.details
            if key not in common
        ]
        if cell.error and len(cell.error) > 160:
            pairs.insert(0, h("div", h("dt", "abstained"), h("dd", folded(cell.error, 400))))
        found += (
            [h("h4", dot(at), h("bdi", columns[at].label)), h("dl", pairs, class_="pairs")] if pairs else []
        )
    return h("details", h("summary", "evidence"), found, class_="evidence") if found else None
