"""The section with one card per ranker, then how far they agree and whose folders win."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence

from rankkit.analysis import judge_reliability
from rankkit.analysis.stats import clustered_mean
from rankkit.core.text import count
from rankkit.report.charts import distribution
from rankkit.report.html import Html, clipped, h, number, said
from rankkit.report.model import Candidate, Column, Prompt, Results
from rankkit.report.sections.comparisons import agreement_table, folders_table, image_sets
from rankkit.report.sections.parts import Show, diagnostics, dot

ENDS = 4  # images shown as a ranker's highest and lowest


def rankers(results: Results, thumbnail: Show, shown: set[int]) -> Iterator[Html]:
    """The section with one card per ranker."""
    yield Html('<section id="rankers"><h2>Rankers</h2><div class="cards">')
    for at, column in enumerate(results.columns):
        yield _card(results, at, column, thumbnail, shown)
    yield Html("</div>")
    if results.agreement:
        yield agreement_table(results)
    sets = image_sets(results)
    if sets:
        yield folders_table(results, sets)
    yield Html("</section>")


def _card(results: Results, at: int, column: Column, thumbnail: Show, shown: set[int]) -> Html:
    groups = [prompt.scores(at) for prompt in results.prompts]
    scores = [score for group in groups for score in group]
    cells = [c.cells[at] for prompt in results.prompts for c in prompt.candidates.values() if at in c.cells]
    abstained = len(cells) - len(scores)
    facts = [
        f"{count(len(scores), 'image')} scored",
        [" · ", h("strong", f"{abstained:,} abstained", class_="warn")] if abstained else None,
    ]
    comparable = bool(scores) and results.comparable(at)
    told = [
        h("h3", dot(at), h("bdi", clipped(column.label, 120)), h("span", column.kind, class_="chip")),
        h("p", facts, class_="facts"),
        _mean(results, at, groups)
        if scores
        else h("p", "No image has a score from this ranker.", class_="note"),
        distribution(scores, at) if comparable else None,
        _diagnostics(results, at),
        _options(column),
        h("p", f"version {column.version}", class_="version") if column.version else None,
    ]
    ends = h("div", _ends(results, at, thumbnail, shown), class_="extremes") if comparable else None
    return h("article", h("div", told, class_="tells"), ends, class_="card")


def _mean(results: Results, at: int, groups: Sequence[Sequence[float]]) -> Html:
    if not results.comparable(at):
        return h(
            "p",
            f"Scores of a {results.columns[at].kind} ranker compare within one prompt only, so there is no "
            f"mean over prompts.",
            class_="note",
        )
    scores = [score for group in groups for score in group]
    found = clustered_mean(scores, [i for i, group in enumerate(groups) for _ in group])
    rounding = len(scores) * sys.float_info.epsilon * max(map(abs, scores), default=0.0)  # of adding them up
    mean = 0.0 if abs(found.mean) <= rounding else found.mean
    sure = not math.isnan(found.stderr)
    note = (
        f"mean score ± standard error, clustered by {count(found.clusters, 'prompt')}"
        if sure
        else "mean score"
    )
    return h(
        "p",
        h("b", number(mean)),
        h("span", f" ± {number(found.stderr)}") if sure else None,
        h("small", note),
        class_="mean",
    )


def _ends(results: Results, at: int, thumbnail: Show, shown: set[int]) -> list[Html]:
    high, low = results.extremes(at, ENDS)
    pairs = [("Highest", high), ("Lowest", low)]
    return [
        h(
            "div",
            h("h4", title),
            h("ol", [_end(results, at, p, c, thumbnail, shown) for p, c in found]),
            class_="ends-of",
        )
        for title, found in pairs
        if found
    ]


def _end(
    results: Results, at: int, prompt: Prompt, candidate: Candidate, thumbnail: Show, shown: set[int]
) -> Html:
    seen = thumbnail(candidate.name, 128)
    score = number(candidate.cells[at].score or 0.0)
    about = clipped(f"{results.short(candidate.name)} — {prompt.text}".removesuffix(" — "), 160)
    image = (
        h("img", src=seen.uri, alt=about, width=seen.width, height=seen.height)
        if seen.uri
        else h("span", "no image", class_="none", title=about)
    )
    body = [image, h("span", score)]
    return h(
        "li",
        h("a", body, href=f"#p{prompt.number}", title=about)
        if prompt.number in shown
        else h("span", body, title=about),
    )


def _diagnostics(results: Results, at: int) -> Html | None:
    """How far a pairwise ranker can be trusted: its judge's calls added up.

    Of other diagnostics, the mean over prompts of each number.
    """
    if results.columns[at].kind != "pairwise":
        return None
    judged = [judge for prompt in results.prompts if (judge := prompt.judge(at)) is not None]
    title, told = (
        ("How far to trust it", judge_reliability.words(judge_reliability.total(judged)))
        if judged
        else ("Diagnostics, mean over prompts", _means(results, at))
    )
    rows = [h("div", h("dt", name), h("dd", said)) for name, said in told.items()]
    return h("div", h("h4", title), h("dl", rows, class_="pairs"), class_="diagnostics") if rows else None


def _means(results: Results, at: int) -> dict[str, str]:
    found: dict[str, list[float]] = {}
    for prompt in results.prompts:
        for key, value in diagnostics(prompt, at).items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                found.setdefault(key, []).append(value)
    return {key.replace("_", " "): number(sum(v) / len(v)) for key, v in list(found.items())[:12]}


def _options(column: Column) -> Html | None:
    if not column.options:
        return None
    return h(
        "dl",
        [h("div", h("dt", key), h("dd", clipped(said(value), 200))) for key, value in column.options.items()],
        class_="pairs options",
    )
