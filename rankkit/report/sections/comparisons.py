"""Tables of how far rankers agree, and of how often one folder's images win against another's."""

from __future__ import annotations

import math
import os
from collections import Counter

from rankkit.analysis.stats import Mean, clustered_mean, win_share
from rankkit.report.html import Html, clipped, h, middle, signed
from rankkit.report.model import Results
from rankkit.report.sections.parts import dot, scrolling

SETS = 24  # folders that are still compared as sets


def agreement_table(results: Results) -> Html:
    """Kendall's τ of every two rankers, as a matrix."""
    used = sorted({at for pair in results.agreement for at in pair})
    head = h(
        "tr",
        h("td"),
        [h("th", dot(at), h("bdi", clipped(results.columns[at].label, 40)), scope="col") for at in used],
    )
    body = [
        h(
            "tr",
            h("th", dot(i), h("bdi", clipped(results.columns[i].label, 40)), scope="row"),
            [_agreement_cell(results, i, j) for j in used],
        )
        for i in used
    ]
    note = "Kendall’s τ within a prompt, mean over prompts: 1 is the same order, 0 unrelated, −1 opposite."
    table = scrolling(h("table", h("thead", head), h("tbody", body), class_="matrix"), "Agreement")
    return h("div", h("h3", "How far they agree"), h("p", note, class_="note"), table, class_="block")


def _agreement_cell(results: Results, i: int, j: int) -> Html:
    value = results.agreement.get((min(i, j), max(i, j)))
    if i == j or value is None:
        return h("td", "·", class_="self")
    level = round(abs(value) * 5)
    return h("td", signed(value), class_=f"{'pos' if value >= 0 else 'neg'}{level}")


def image_sets(results: Results) -> list[str]:
    """The folders of the images, where they stand for things to compare.

    From 2 to 24, most of them with an image for most prompts.
    """
    seen: Counter[str] = Counter()
    for prompt in results.prompts:
        seen.update({os.path.dirname(name) for name in prompt.candidates})
        if len(seen) > max(SETS, 4 * prompt.number):
            return []
    half = max(1, len(results.prompts) / 2)
    return sorted(seen) if 2 <= len(seen) <= SETS and all(n >= half for n in seen.values()) else []


def folders_table(results: Results, sets: list[str]) -> Html:
    """How often each folder's images win against the others', by ranker."""
    rates = {name: [_win_rate(results, name, at) for at in range(len(results.columns))] for name in sets}

    def place(name: str) -> float:
        known = [rate.mean for rate in rates[name] if rate]
        return -sum(known) / len(known) if known else 0.0

    head = h(
        "tr",
        h("th", "images in", scope="col"),
        [h("th", dot(i), h("bdi", clipped(c.label, 40)), scope="col") for i, c in enumerate(results.columns)],
    )
    body = [
        h("tr", h("th", _set_name(results, name), scope="row"), [_rate(rate) for rate in rates[name]])
        for name in sorted(sets, key=place)
    ]
    note = (
        "Share of comparisons won against the other folders’ images of the same prompt ± standard error "
        "over prompts; a tie is half a win."
    )
    table = scrolling(h("table", h("thead", head), h("tbody", body)), "Folders")
    return h("div", h("h3", "Folders against each other"), h("p", note, class_="note"), table, class_="block")


def _set_name(results: Results, name: str) -> str:
    return middle(results.short(f"{name}/").rstrip("/"), 60) or "(top folder)"


def _win_rate(results: Results, name: str, at: int) -> Mean | None:
    won = []
    for prompt in results.prompts:
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
