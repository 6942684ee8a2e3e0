"""The lower half of the page: one article per prompt with its candidates, then the prompts without images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count as count_from
from typing import Any

from rankkit.analysis import judge_reliability
from rankkit.core.text import count
from rankkit.report.html import Html, clipped, folded, h, join, middle, number, opening, said
from rankkit.report.model import Candidate, Column, Prompt, Results
from rankkit.report.sections.candidates import EACH_END, Cut, Told, cut, figure
from rankkit.report.sections.parts import HOT, diagnostics, dot
from rankkit.report.thumbnails import Thumbnail

LISTED = 1000  # prompts without images that are still listed by their words

Thumbnails = Callable[[Sequence[str]], Iterator[Thumbnail]]  # the thumbnails of these images, in order


def article(
    results: Results, prompt: Prompt, thumbnails: Thumbnails, each_end: int = EACH_END
) -> Iterator[Html]:
    """One prompt with its candidates from best to worst; yields piece by piece, one image each."""
    seen = cut(prompt, each_end)
    single = len(prompt.candidates) == 1
    best, worst = _best_and_worst(prompt)
    data = {f"data_{key}": repr(value) for key, value in _places(results, prompt).items()}
    kind = "group single" if single else "group"
    yield opening(
        "article",
        id=f"p{prompt.number}",
        class_=kind,
        tabindex="-1",
        aria_labelledby=f"h{prompt.number}",
        **data,
    )
    told = {
        at: diagnostics(prompt, at) for at, column in enumerate(results.columns) if column.kind == "pairwise"
    }
    yield _heading(results, prompt, told)
    places = count_from(0)
    shown = iter(
        thumbnails([candidate.name for part in (seen.top, seen.bottom, seen.unranked) for candidate in part])
    )
    for part, words in (
        (seen.top, None),
        (seen.bottom, _between(results, seen, each_end)),
        (seen.unranked, _unranked_words(seen)),
    ):
        if part:
            yield h("p", words, class_="between") if words else Html("")
            yield opening("div", class_=f"grid {_columns(len(part))}")
            for candidate in part:
                tag = "best" if candidate is best else "worst" if candidate is worst else ""
                yield figure(results, prompt, candidate, next(shown), told, tag, next(places))
            yield Html("</div>")
    yield Html("</article>")


def orders(results: Results) -> Html | None:
    """The ways to order the prompts, for a script to offer: those in which they can differ."""
    shown = [_places(results, prompt) for prompt in results.prompts]
    ways = {"n": join("as given"), "disagreement": join("disagreement"), "abstained": join("abstentions")}
    ways |= {
        f"s{at}": join([dot(at), clipped(column.label, 40)]) for at, column in enumerate(results.columns)
    }
    found = {key: words for key, words in ways.items() if len({places.get(key) for places in shown}) > 1}
    if len(found) < 2:
        return None
    buttons = [_button(words, key == "n", data_order=key) for key, words in found.items()]
    return h(
        "div",
        h("span", "order prompts"),
        buttons,
        class_="sorts orders",
        hidden=True,
        role="group",
        aria_label="Order prompts",
    )


def _button(words: Html, pressed: bool, **data: str) -> Html:
    return h("button", words, type="button", aria_pressed="true" if pressed else "false", **data)


def _places(results: Results, prompt: Prompt) -> dict[str, float]:
    """What prompts can be ordered by: the smallest first; `s0`, `s1` … are the best scores of the rankers."""
    best = {
        f"s{at}": -max(scores)
        for at in range(len(results.columns))
        if results.comparable(at) and (scores := prompt.scores(at))
    }
    return {
        "n": prompt.number,
        "disagreement": -(prompt.disagreement or 0.0),
        "abstained": -prompt.abstentions,
        **best,
    }


def _columns(n: int) -> str:
    """How many images stand side by side on a wide screen, so that few are large and rows come out full."""
    return "by4" if n <= 4 or n in (7, 8) else "by5" if n in (5, 9, 10) else "by6"


def _heading(results: Results, prompt: Prompt, told: Told) -> Html:
    no = prompt.number
    anchor = h("a", str(no), href=f"#p{no}", class_="no", aria_label=f"prompt {no}")
    title = {"role": "heading", "aria_level": "3", "id": f"h{no}"}
    words = folded(prompt.text) if prompt.text else h("em", "no prompt")
    return h(
        "header",
        h("div", anchor, h("div", words, class_="prompt", dir="auto", **title), class_="head"),
        h("div", list(_chips(prompt)), class_="chips"),
        [_told_by_ranker(results.columns[at], at, found, prompt.judge(at)) for at, found in told.items()],
        None if len(prompt.candidates) == 1 else _sorts(results.columns),
    )


def _chips(prompt: Prompt) -> Iterator[Html]:
    """What is worth knowing of a prompt at a glance."""
    several, dispute = len(prompt.candidates) != 1, prompt.disagreement
    if several:
        yield h("span", count(len(prompt.candidates), "candidate"), class_="chip")
    if dispute is not None:
        yield h("span", f"disagreement {dispute:.2f}", class_="chip hot" if dispute > HOT else "chip")
    if prompt.abstentions:
        yield h("span", count(prompt.abstentions, "abstention"), class_="chip warn")
    if prompt.id and several:
        yield h("span", "group ", h("bdi", middle(prompt.id, 40)), class_="chip quiet", title=prompt.id)


def _sorts(columns: Sequence[Column]) -> Html:
    ways = [("order", join("all rankers" if len(columns) > 1 else "rank"))]
    if len(columns) > 1:
        ways += [(f"r{at}", join([dot(at), clipped(column.label, 40)])) for at, column in enumerate(columns)]
    ways.append(("name", join("name")))
    buttons = [_button(words, key == "order", data_sort=key) for key, words in ways]
    return h(
        "div",
        h("span", "sort by"),
        buttons,
        class_="sorts",
        hidden=True,
        role="group",
        aria_label="Sort candidates",
    )


def _told_by_ranker(
    column: Column, at: int, found: Mapping[str, Any], judge: Mapping[str, Any] | None
) -> Html | None:
    told = judge_reliability.words(judge_reliability.total([judge])) if judge is not None else {}
    told |= {key.replace("_", " "): clipped(said(value), 80) for key, value in list(found.items())[:12]}
    pairs = [h("span", name, " ", h("b", value)) for name, value in told.items()]
    return h("p", dot(at), h("bdi", clipped(column.label, 60)), pairs, class_="told") if pairs else None


def _best_and_worst(prompt: Prompt) -> tuple[Candidate | None, Candidate | None]:
    """The best and the worst candidate; none where no order was given, or all are equal."""
    ordered = [candidate for candidate in prompt.ordered if candidate.standing is not None]
    if len(ordered) < 2 or ordered[0].standing == ordered[-1].standing:
        return None, None
    return ordered[0], ordered[-1]


def _between(results: Results, seen: Cut, each_end: int) -> str | None:
    if not seen.between:
        return None
    spans = []
    for at, column in enumerate(results.columns):
        found = [
            cell.score
            for c in seen.between
            if (cell := c.cells.get(at)) is not None and cell.score is not None
        ]
        if found:
            spans.append(f"{column.label} from {number(min(found))} to {number(max(found))}")
    scores = f" ({'; '.join(spans)})" if spans else ""
    verb = "is" if len(seen.between) == 1 else "are"
    return (
        f"{count(len(seen.between), 'candidate')} between these {each_end} best and these {each_end} "
        f"worst {verb} not shown{scores}."
    )


def _unranked_words(seen: Cut) -> str | None:
    if not seen.unranked:
        return None
    more = f", and {seen.more_unranked:,} more not shown" if seen.more_unranked else ""
    return f"No ranker ranked {count(len(seen.unranked), 'candidate')} shown here{more}."


def without_images(results: Results, prompts: Sequence[Prompt]) -> Iterator[Html]:
    """The prompts that got no images, in words: the first thousand by name, the others by number."""
    if not prompts:
        return
    yield Html('<details class="left-out"><summary>')
    yield h("span", f"{count(len(prompts), 'prompt')} without images")
    yield Html(
        '</summary><div class="scroll"><table><thead><tr><th scope="col">prompt</th><th '
        'scope="col">candidates</th>'
        '<th scope="col">best</th><th scope="col">disagreement</th></tr></thead><tbody>'
    )
    for prompt in prompts[:LISTED]:
        yield _line(results, prompt)
    yield Html("</tbody></table></div>")
    if len(prompts) > LISTED:
        yield h(
            "p",
            f"{count(len(prompts) - LISTED, 'more prompt')} can be found in the rows, not on this page.",
            class_="note",
        )
    yield Html("</details>")


def _line(results: Results, prompt: Prompt) -> Html:
    """A prompt without images as a row of the table."""
    ranked = (results.short(candidate.name) for candidate in prompt.ordered if candidate.ranked)
    best, doubt = next(ranked, "all abstained"), prompt.disagreement
    return h(
        "tr",
        h(
            "td",
            h("span", f"{prompt.number} ", class_="no"),
            h("bdi", clipped(prompt.text, 160) or "no prompt"),
        ),
        h("td", f"{len(prompt.candidates):,}"),
        h("td", h("bdi", middle(best, 48))),
        h("td", "·" if doubt is None else f"{doubt:.2f}"),
    )
