"""The upper half of the page: one card per ranker, how far rankers agree, sets of images, and the most
disputed prompts.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rankkit.analysis import judge_reliability
from rankkit.analysis.stats import Mean, clustered_mean, win_share
from rankkit.report.charts import Slope, distribution, slopes
from rankkit.report.html import Html, clipped, count, folded, h, middle, number, rank, said, signed
from rankkit.report.model import Candidate, Column, Prompt, Study
from rankkit.report.thumbnails import Thumbnail

Show = Callable[[str, int], Thumbnail]  # an image's name and a size in pixels to its thumbnail

ENDS = 4  # images shown as a ranker's highest and lowest
SLOPES = 8  # candidates in one slope chart
HOT = 0.8  # the disagreement from which on it is shown in red
DISPUTED = 6  # prompts in the section on disagreement
DISAGREEMENT = (
    "Per prompt, 1 − Kendall’s τ between rankers: 0 is one order, 1 unrelated orders, 2 opposite ones. "
    "Each chart joins a candidate’s place by one ranker to its place by the other; steep lines are the "
    "dispute."
)
SETS = 24  # folders that are still compared as sets


def dot(at: int) -> Html:
    """A ranker's colour, for the eye only."""
    return h("i", class_=f"dot c{at % 8}", aria_hidden="true")


def rankers(study: Study, look: Show, shown: set[int]) -> Iterator[Html]:
    """The section with one card per ranker."""
    yield Html('<section id="rankers"><h2>Rankers</h2><div class="cards">')
    for at, column in enumerate(study.columns):
        yield _card(study, at, column, look, shown)
    yield Html("</div>")
    if study.agreement:
        yield _agreement(study)
    sets = image_sets(study)
    if sets:
        yield _sets(study, sets)
    yield Html("</section>")


def _card(study: Study, at: int, column: Column, look: Show, shown: set[int]) -> Html:
    groups = [prompt.scores(at) for prompt in study.prompts]
    scores = [score for group in groups for score in group]
    cells = [c.cells[at] for prompt in study.prompts for c in prompt.candidates.values() if at in c.cells]
    abstained = len(cells) - len(scores)
    facts = [
        f"{count(len(scores), 'image')} scored",
        [" · ", h("strong", f"{abstained:,} abstained", class_="warn")] if abstained else None,
    ]
    comparable = bool(scores) and study.comparable(at)
    told = [
        h("h3", dot(at), h("bdi", clipped(column.label, 120)), h("span", column.kind, class_="chip")),
        h("p", facts, class_="facts"),
        _mean(study, at, groups)
        if scores
        else h("p", "No image has a score from this ranker.", class_="note"),
        distribution(scores, at) if comparable else None,
        _diagnostics(study, at),
        _options(column),
        h("p", f"version {column.version}", class_="version") if column.version else None,
    ]
    ends = h("div", _ends(study, at, look, shown), class_="extremes") if comparable else None
    return h("article", h("div", told, class_="tells"), ends, class_="card")


def _mean(study: Study, at: int, groups: Sequence[Sequence[float]]) -> Html:
    if not study.comparable(at):
        return h(
            "p",
            f"Scores of a {study.columns[at].kind} ranker compare within one prompt only, so there is no "
            f"mean over prompts.",
            class_="note",
        )
    found = clustered_mean(
        [score for group in groups for score in group], [i for i, group in enumerate(groups) for _ in group]
    )
    sure = not math.isnan(found.stderr)
    note = (
        f"mean score ± standard error, clustered by {count(found.clusters, 'prompt')}"
        if sure
        else "mean score"
    )
    return h(
        "p",
        h("b", number(found.mean)),
        h("span", f" ± {number(found.stderr)}") if sure else None,
        h("small", note),
        class_="mean",
    )


def _ends(study: Study, at: int, look: Show, shown: set[int]) -> list[Html]:
    high, low = study.extremes(at, ENDS)
    pairs = [("Highest", high), ("Lowest", low)]
    return [
        h(
            "div",
            h("h4", title),
            h("ol", [_end(study, at, p, c, look, shown) for p, c in found]),
            class_="ends-of",
        )
        for title, found in pairs
        if found
    ]


def _end(study: Study, at: int, prompt: Prompt, candidate: Candidate, look: Show, shown: set[int]) -> Html:
    seen = look(candidate.name, 128)
    score = number(candidate.cells[at].score or 0.0)
    about = clipped(f"{study.short(candidate.name)} — {prompt.text}".removesuffix(" — "), 160)
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


def diagnostics(prompt: Prompt, at: int) -> dict[str, Any]:
    """What a ranker says of a group as a whole: the details that are the same for every candidate it ranked
    (at least two).
    """
    told = [
        dict(c.cells[at].details)
        for c in prompt.candidates.values()
        if at in c.cells and c.cells[at].score is not None
    ]
    if len(told) < 2:
        return {}
    return {
        key: value
        for key, value in told[0].items()
        if all(key in other and other[key] == value for other in told[1:])
    }


def _diagnostics(study: Study, at: int) -> Html | None:
    """How far a pairwise ranker can be trusted: its judge's calls added up; of other diagnostics, the mean
    over prompts of each number.
    """
    if study.columns[at].kind != "pairwise":
        return None
    judged = [judge for prompt in study.prompts if (judge := prompt.judge(at)) is not None]
    title, told = (
        ("How far to trust it", judge_reliability.words(judge_reliability.total(judged)))
        if judged
        else ("Diagnostics, mean over prompts", _means(study, at))
    )
    rows = [h("div", h("dt", name), h("dd", said)) for name, said in told.items()]
    return h("div", h("h4", title), h("dl", rows, class_="pairs"), class_="diagnostics") if rows else None


def _means(study: Study, at: int) -> dict[str, str]:
    found: dict[str, list[float]] = {}
    for prompt in study.prompts:
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


def _agreement(study: Study) -> Html:
    used = sorted({at for pair in study.agreement for at in pair})
    head = h(
        "tr",
        h("td"),
        [h("th", dot(at), h("bdi", clipped(study.columns[at].label, 40)), scope="col") for at in used],
    )
    body = [
        h(
            "tr",
            h("th", dot(i), h("bdi", clipped(study.columns[i].label, 40)), scope="row"),
            [_agreement_cell(study, i, j) for j in used],
        )
        for i in used
    ]
    note = "Kendall’s τ within a prompt, mean over prompts: 1 is the same order, 0 unrelated, −1 opposite."
    table = h(
        "div",
        h("table", h("thead", head), h("tbody", body), class_="matrix"),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label="Agreement",
    )
    return h("div", h("h3", "How far they agree"), h("p", note, class_="note"), table, class_="block")


def _agreement_cell(study: Study, i: int, j: int) -> Html:
    value = study.agreement.get((min(i, j), max(i, j)))
    if i == j or value is None:
        return h("td", "·", class_="self")
    level = round(abs(value) * 5)
    return h("td", signed(value), class_=f"{'pos' if value >= 0 else 'neg'}{level}")


def image_sets(study: Study) -> list[str]:
    """The folders of the images, where they stand for things to compare: from 2 to 24, most of them with an
    image for most prompts.
    """
    seen: Counter[str] = Counter()
    for prompt in study.prompts:
        seen.update({os.path.dirname(name) for name in prompt.candidates})
        if len(seen) > max(SETS, 4 * prompt.number):
            return []
    half = max(1, len(study.prompts) / 2)
    return sorted(seen) if 2 <= len(seen) <= SETS and all(n >= half for n in seen.values()) else []


def _sets(study: Study, sets: list[str]) -> Html:
    rates = {name: [_win_rate(study, name, at) for at in range(len(study.columns))] for name in sets}

    def place(name: str) -> float:
        known = [rate.mean for rate in rates[name] if rate]
        return -sum(known) / len(known) if known else 0.0

    head = h(
        "tr",
        h("th", "images in", scope="col"),
        [h("th", dot(i), h("bdi", clipped(c.label, 40)), scope="col") for i, c in enumerate(study.columns)],
    )
    body = [
        h("tr", h("th", _set_name(study, name), scope="row"), [_rate(rate) for rate in rates[name]])
        for name in sorted(sets, key=place)
    ]
    note = (
        "Share of comparisons won against the other folders’ images of the same prompt ± standard error "
        "over prompts; a tie is half a win."
    )
    table = h(
        "div",
        h("table", h("thead", head), h("tbody", body)),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label="Folders",
    )
    return h("div", h("h3", "Folders against each other"), h("p", note, class_="note"), table, class_="block")


def _set_name(study: Study, name: str) -> str:
    return middle(study.short(f"{name}/").rstrip("/"), 60) or "(top folder)"


def _win_rate(study: Study, name: str, at: int) -> Mean | None:
    won = []
    for prompt in study.prompts:
        sides: tuple[list[float], list[float]] = ([], [])
        for candidate in prompt.candidates.values():
            cell = candidate.cells.get(at)
            if cell is not None and cell.rank is not None:
                sides[os.path.dirname(candidate.name) == name].append(-cell.rank)
        if all(sides):
            won.append(win_share(sides[True], sides[False]))
    return clustered_mean(won) if won else None


def _rate(rate: Mean | None) -> Html:
    if rate is None:
        return h("td", "·", class_="self")
    return h(
        "td",
        f"{100 * rate.mean:.0f} %",
        None if math.isnan(rate.stderr) else h("small", f" ± {100 * rate.stderr:.0f}"),
    )


def disagreement(study: Study, look: Show, shown: set[int]) -> Iterator[Html]:
    """The section on the prompts whose rankers differ most; nothing with fewer than two rankers."""
    if len(study.columns) < 2:
        return
    yield Html('<section id="disagreement"><h2>Where rankers disagree most</h2>')
    disputed = study.disputed[:DISPUTED]
    if disputed:
        yield h("p", DISAGREEMENT, class_="note")
        yield Html('<div class="cards wide">')
        for prompt in disputed:
            yield _dispute(study, prompt, look, shown)
        yield Html("</div>")
    elif any(prompt.taus for prompt in study.prompts):
        yield h("p", "They do not: all rankers give every prompt the same order.", class_="note")
    else:
        yield h(
            "p",
            "No prompt has two images that two rankers both put in an order, so there is nothing to disagree "
            "about.",
            class_="note",
        )
    yield Html("</section>")


def _dispute(study: Study, prompt: Prompt, look: Show, shown: set[int]) -> Html:
    (i, j), value = min(prompt.taus.items(), key=lambda item: item[1])
    both = [c for c in prompt.ordered if all(at in c.cells and c.cells[at].rank is not None for at in (i, j))]
    moved = sorted(both, key=lambda c: -abs(_gap(c, i, j)))[:SLOPES]
    left, right = study.columns[i].label, study.columns[j].label
    sides = h(
        "div",
        h("span", dot(i), h("bdi", clipped(left, 40))),
        h("span", h("bdi", clipped(right, 40)), dot(j)),
        class_="sides",
    )
    heat = "chip hot" if (prompt.disagreement or 0.0) > HOT else "chip"
    part = (
        f"{len(moved)} of {count(len(both), 'candidate')}: those that move most"
        if len(moved) < len(both)
        else None
    )
    more = (
        h("a", f"prompt {prompt.number}", href=f"#p{prompt.number}")
        if prompt.number in shown
        else h("span", f"prompt {prompt.number}")
    )
    return h(
        "article",
        h(
            "div",
            folded(prompt.text, 160) if prompt.text else h("em", "no prompt"),
            class_="prompt",
            dir="auto",
        ),
        h(
            "p",
            h("span", "disagreement ", h("b", f"{prompt.disagreement:.2f}"), class_=heat),
            f" τ {signed(value)} · ",
            more,
            class_="facts",
        ),
        sides,
        slopes(_slopes(moved, i, j, look), f"d{prompt.number}", left, right),
        h("p", part, class_="note") if part else None,
        class_="card dispute",
    )


def _slopes(candidates: Sequence[Candidate], i: int, j: int, look: Show) -> list[Slope]:
    left = sorted(candidates, key=lambda c: c.cells[i].rank or 0)
    right = sorted(candidates, key=lambda c: c.cells[j].rank or 0)
    return [
        Slope(
            look(c.name, 112).uri,
            at,
            right.index(c),
            rank(c.cells[i].rank or 0.0),
            rank(c.cells[j].rank or 0.0),
            middle(c.name, 80),
        )
        for at, c in enumerate(left)
    ]


def _gap(candidate: Candidate, i: int, j: int) -> float:
    return (candidate.cells[i].share or 0.0) - (candidate.cells[j].share or 0.0)
