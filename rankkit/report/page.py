"""The frame of the page: head with its policy, summary, callers' sections, the run, and the foot."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from rankkit.core.text import count
from rankkit.report.extras import Section
from rankkit.report.html import Html, clipped, folded, h, said, signed
from rankkit.report.model import Results
from rankkit.report.sections.parts import dot, scrolling
from rankkit.report.sections.prompts import orders


def head(title: str) -> Html:
    """Everything before the body.

    Only the style and the script of this package may run: the policy names their hashes.
    """
    style, script = asset("style.css"), asset("script.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        f"base-uri 'none'; form-action 'none'"
    )
    metas = [
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        h("meta", name="generator", content="rankkit"),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("meta", name="referrer", content="no-referrer"),
    ]
    return Html(
        f"<!doctype html>\n<html "
        f'lang="en"><head>{"".join(metas)}{h("title", title)}<style>{style}</style></head><body>\n'
    )


def asset(name: str) -> str:
    """One of the package's own files: style.css or script.js."""
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8").replace("\r\n", "\n")


def top_bar(title: str, results: Results, extras: Sequence[Section]) -> Html:
    """The bar at the top: where to go, and the filter (which only a script can offer)."""
    links = [(f"#extra{i}", section.title) for i, section in enumerate(extras, 1)]
    links += (
        [("#rankers", "Rankers")]
        + ([("#disagreement", "Disagreement")] if len(results.columns) > 1 else [])
        + [("#prompts", "Prompts")]
    )
    links += ([("#abstentions", "Abstentions")] if results.abstentions else []) + [("#run", "Run")]
    box = h(
        "input",
        type="search",
        id="filter",
        placeholder="Filter prompts",
        aria_label="Filter prompts",
        spellcheck="false",
    )
    return bar(title, links, h("label", box, h("kbd", "/"), class_="filter", hidden=True))


def bar(title: str, links: Sequence[tuple[str, str]], filtering: Html | None = None) -> Html:
    """The bar at the top of a page: its title, and links, each an address in the page and a name."""
    return h(
        "div",
        h("a", clipped(title, 40), href="#top", class_="brand"),
        h("nav", [h("a", clipped(name, 32), href=at) for at, name in links], aria_label="Sections"),
        filtering,
        class_="bar",
    )


def summary(title: str, results: Results) -> Html:
    """The title, one sentence, and the numbers of the run."""
    agreement = list(results.agreement.values())
    tiles = [
        (f"{results.images:,}", "image" if results.images == 1 else "images"),
        (f"{len(results.prompts):,}", "prompt" if len(results.prompts) == 1 else "prompts"),
        (f"{len(results.columns):,}", "ranker" if len(results.columns) == 1 else "rankers"),
        (f"{results.abstentions:,}", "abstention" if results.abstentions == 1 else "abstentions"),
    ]
    if agreement:
        tiles.append((signed(sum(agreement) / len(agreement)), "mean τ between rankers"))
    return heading(title, _sentence(results), tiles)


def heading(title: str, lead: str, tiles: Sequence[tuple[str, str]]) -> Html:
    """The title of a page, one sentence, and its first numbers, each with what it counts."""
    numbers = [h("div", h("dt", name), h("dd", value)) for value, name in tiles]
    return h(
        "header",
        h("h1", clipped(title, 200)),
        h("p", lead, class_="lead") if lead else None,
        h("dl", numbers, class_="tiles") if tiles else None,
        id="top",
        class_="summary",
    )


def _sentence(results: Results) -> str:
    if not results.prompts:
        return "There are no rows: nothing was scored."
    names = [column.label for column in results.columns]
    who = (
        names[0]
        if len(names) == 1
        else f"{', '.join(names[:-1])} and {names[-1]}"
        if len(names) <= 4
        else f"{len(names)} rankers"
    )
    return (
        f"{clipped(who, 200)} ordered {count(results.images, 'image')} "
        f"of {count(len(results.prompts), 'prompt')}."
    )


def extra_section(number: int, section: Section) -> Html:
    """A caller's section."""
    return h(
        "section",
        h("h2", clipped(section.title, 200)),
        h("div", Html(section.html), class_="extra"),
        id=f"extra{number}",
    )


def prompts_head(results: Results, shown: int, each_end: int) -> Html:
    """The heading of the prompts, with what was left out in words."""
    left_out = None
    if shown < len(results.prompts):
        left_out = (
            f"Images are shown for {shown:,} of {len(results.prompts):,} prompts: those with the most "
            f"disagreement, the most abstentions, "
            f"and each ranker’s best and worst images. The other {len(results.prompts) - shown:,} are listed "
            f"in words below them."
        )
    large = sum(len(prompt.candidates) > 2 * each_end for prompt in results.prompts)
    cut = (
        f"Of prompts with more than {2 * each_end} candidates, the {each_end} best and the {each_end} worst "
        f"are shown."
        if large
        else None
    )
    order = "Candidates stand from best to worst" + (
        ", by their mean rank over all rankers." if len(results.columns) > 1 else "."
    )
    several = any(len(prompt.candidates) > 1 for prompt in results.prompts)
    return Html(
        h("h2", "Prompts")
        + (h("p", order, class_="note") if several else "")
        + (h("p", left_out, class_="note") if left_out else "")
        + (h("p", cut, class_="note") if cut else "")
        + (orders(results) or "")
        + h("p", "", class_="note", id="found", role="status", aria_live="polite")
    )


def run_section(results: Results, parameters: Mapping[str, Any]) -> Html:
    """The section that says what was run.

    Rankers with version and options, the numbers, and the caller's parameters.
    """
    numbers = [
        ("images", f"{results.images:,}"),
        ("prompts", f"{len(results.prompts):,}"),
        ("abstentions", f"{results.abstentions:,}"),
    ]
    if results.folder:
        numbers.insert(0, ("images from", results.folder))
    pairs = [*numbers, *((str(key), said(value)) for key, value in parameters.items())]
    return h(
        "section",
        h("h2", "Run"),
        h(
            "dl",
            [h("div", h("dt", clipped(name, 80)), h("dd", folded(value))) for name, value in pairs],
            class_="pairs run",
        ),
        scrolling(_rankers(results), "Rankers"),
        id="run",
    )


def _rankers(results: Results) -> Html:
    """A table of the rankers: name, kind, version and options of each."""
    lines = []
    for at, column in enumerate(results.columns):
        name = h("th", dot(at), h("bdi", clipped(column.label, 80)), scope="row")
        options = ", ".join(f"{key}={said(value)}" for key, value in column.options.items())
        others = (column.kind, clipped(column.version, 300) or "·", clipped(options, 400) or "·")
        lines.append(h("tr", name, [h("td", text) for text in others]))
    titles = h("tr", [h("th", name, scope="col") for name in ("ranker", "kind", "version", "options")])
    return h("table", h("thead", titles), h("tbody", lines))


KEYS = (
    (("j", "k"), "next and previous prompt (arrows too)"),
    (("/",), "filter"),
    (("Enter",), "enlarge"),
    (("Esc",), "close"),
)


def foot(keys: Sequence[tuple[Sequence[str], str]] = KEYS) -> Html:
    """What the keys do, the place where images are enlarged, and the script."""
    hints = [h("span", [h("kbd", key) for key in group], " ", text) for group, text in keys]
    large = h(
        "dialog",
        h("div", class_="stage"),
        h("button", "Close", type="button", class_="close", autofocus=True),
        id="lightbox",
        aria_label="Enlarged image",
    )
    made = h("p", "One file, made by rankkit. It loads nothing from anywhere.")
    footer = h("footer", h("p", hints, class_="keys", hidden=True) if hints else None, made)
    return Html(f"{footer}{large}\n<script>{asset('script.js')}</script></body></html>\n")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
