"""The sections on prompts whose rankers disagree most, and on images without a score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rankkit.core.text import count
from rankkit.report.charts import Slope, slopes
from rankkit.report.html import Html, clipped, folded, h, middle, opening, rank, signed
from rankkit.report.model import Candidate, Prompt, Results
from rankkit.report.sections.parts import HOT, Show, dot

SLOPES = 8  # candidates in one slope chart
DISPUTED = 6  # prompts in the section on disagreement
REASONS, EXAMPLES = 50, 12  # reasons of abstention that are listed, and images under each
DISAGREEMENT = (
    "Per prompt, 1 − Kendall’s τ between rankers: 0 is one order, 1 unrelated orders, 2 opposite ones. "
    "Each chart joins a candidate’s place by one ranker to its place by the other; steep lines are the "
    "dispute."
)


def disagreement(results: Results, thumbnail: Show, shown: set[int]) -> Iterator[Html]:
    """The section on the prompts whose rankers differ most; nothing with fewer than two rankers."""
    if len(results.columns) < 2:
        return
    yield Html('<section id="disagreement"><h2>Where rankers disagree most</h2>')
    disputed = results.disputed[:DISPUTED]
    if disputed:
        yield h("p", DISAGREEMENT, class_="note")
        yield Html('<div class="cards wide">')
        for prompt in disputed:
            yield _dispute(results, prompt, thumbnail, shown)
        yield Html("</div>")
    elif any(prompt.taus for prompt in results.prompts):
        yield h("p", "They do not: all rankers give every prompt the same order.", class_="note")
    else:
        yield h(
            "p",
            "No prompt has two images that two rankers both put in an order, so there is nothing to disagree "
            "about.",
            class_="note",
        )
    yield Html("</section>")


def _dispute(results: Results, prompt: Prompt, thumbnail: Show, shown: set[int]) -> Html:
    (i, j), value = min(prompt.taus.items(), key=lambda item: item[1])
    both = [c for c in prompt.ordered if all(at in c.cells and c.cells[at].rank is not None for at in (i, j))]
    moved = sorted(both, key=lambda c: -abs(_gap(c, i, j)))[:SLOPES]
    left, right = results.columns[i].label, results.columns[j].label
    sides = h(
        "div",
        h("span", dot(i), h("bdi", clipped(left, 40))),
        h("span", h("bdi", clipped(right, 40)), dot(j)),
        class_="sides",
    )
    words = folded(prompt.text, 160) if prompt.text else h("em", "no prompt")
    part = f"{len(moved)} of {count(len(both), 'candidate')}: those that move most"
    return h(
        "article",
        h("div", words, class_="prompt", dir="auto"),
        _facts(prompt, value, prompt.number in shown),
        sides,
        slopes(_slopes(moved, i, j, thumbnail), f"d{prompt.number}", left, right),
        h("p", part, class_="note") if len(moved) < len(both) else None,
        class_="card dispute",
    )


def _facts(prompt: Prompt, tau: float, shown: bool) -> Html:
    """How far the rankers differ, and where the prompt stands on the page."""
    heat = "chip hot" if (prompt.disagreement or 0.0) > HOT else "chip"
    much = h("span", "disagreement ", h("b", f"{prompt.disagreement:.2f}"), class_=heat)
    name = f"prompt {prompt.number}"
    where = h("a", name, href=f"#p{prompt.number}") if shown else h("span", name)
    return h("p", much, f" τ {signed(tau)} · ", where, class_="facts")


def _slopes(candidates: Sequence[Candidate], i: int, j: int, thumbnail: Show) -> list[Slope]:
    left = sorted(candidates, key=lambda c: c.cells[i].rank or 0)
    right = sorted(candidates, key=lambda c: c.cells[j].rank or 0)
    return [
        Slope(
            thumbnail(c.name, 112).uri,
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


def abstentions(results: Results, shown: set[int]) -> Iterator[Html]:
    """The section on verdicts that were not given, by reason and ranker, the most frequent first."""
    if not results.abstentions:
        return
    reasons = sorted(_reasons(results).items(), key=lambda item: -len(item[1]))
    yield opening("section", id="abstentions")
    yield h("h2", "Abstentions")
    yield h(
        "p",
        f"{count(results.abstentions, 'verdict')} without a score. An abstention is not a low score: "
        f"it takes no part in any rank.",
        class_="note",
    )
    for (at, reason), images in reasons[:REASONS]:
        where = [_where(results, prompt, candidate, shown) for prompt, candidate in images[:EXAMPLES]]
        more = h("li", f"and {len(images) - EXAMPLES:,} more") if len(images) > EXAMPLES else None
        who = h(
            "p",
            dot(at),
            h("bdi", clipped(results.columns[at].label, 80)),
            h("span", count(len(images), "image"), class_="chip warn"),
            class_="who",
        )
        yield h(
            "article",
            who,
            h("div", folded(reason, 400), class_="reason"),
            h("ul", where, more, class_="where"),
            class_="abstention",
        )
    if len(reasons) > REASONS:
        yield h(
            "p", f"{count(len(reasons) - REASONS, 'more reason')} can be found in the rows.", class_="note"
        )
    yield Html("</section>")


def _reasons(results: Results) -> dict[tuple[int, str], list[tuple[Prompt, Candidate]]]:
    found: dict[tuple[int, str], list[tuple[Prompt, Candidate]]] = {}
    for prompt in results.prompts:
        for candidate in prompt.candidates.values():
            for at, cell in candidate.cells.items():
                if cell.error is not None:
                    found.setdefault((at, cell.error), []).append((prompt, candidate))
    return found


def _where(results: Results, prompt: Prompt, candidate: Candidate, shown: set[int]) -> Html:
    name = h("bdi", middle(results.short(candidate.name), 64))
    return h("li", h("a", name, href=f"#p{prompt.number}") if prompt.number in shown else name)
