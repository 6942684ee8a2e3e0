"""HTML that cannot be broken by its content: every text is escaped unless it already is `Html`."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any, TypeAlias

from rankkit.core.text import plain, printable

VOID = frozenset(("br", "hr", "img", "input", "meta"))
# HTML cannot hold control characters: they become their images (␀ ␁ …); a carriage return is kept as a
# reference.
CONTROLS = {code: chr(0x2400 + code) for code in range(32) if code not in (9, 10, 13)} | {
    127: "\u2421",
    13: "&#13;",
}
LONG = 280  # characters of a text that are shown before it folds
FULL = 20_000  # characters of a text that are kept at all


class Html(str):
    """A string that is HTML already; only `h`, `escape` and a caller's own section make one."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[Child] | None"


def escape(text: str) -> Html:
    """Text as HTML, for content and for quoted attributes alike."""
    return text if isinstance(text, Html) else Html(html.escape(printable(text)).translate(CONTROLS))


def h(tag: str, *children: Child, **attributes: str | float | bool | None) -> Html:
    """One element.

    Children are escaped unless they are `Html`; an attribute that is None or False is left out.

    >>> h("p", "a < b", class_="note", aria_label='"x"')
    '<p class="note" aria-label="&quot;x&quot;">a &lt; b</p>'
    """
    if tag in VOID:
        return opening(tag, **attributes)
    return Html(f"{opening(tag, **attributes)}{join(children)}</{tag}>")


def opening(tag: str, **attributes: str | float | bool | None) -> Html:
    """The start tag alone, for what is written piece by piece."""
    return Html(f"<{tag}{''.join(_attribute(name, value) for name, value in attributes.items())}>")


def join(children: Child) -> Html:
    """Children one after another, nested ones too; None is nothing."""
    if children is None:
        return Html("")
    if isinstance(children, str):
        return escape(children)
    return Html("".join(map(join, children)))


def folded(text: str, limit: int = LONG) -> Html:
    """A text in one piece when it is short, else its beginning, which unfolds.

    It unfolds to at most 20,000 characters.
    """
    if len(text) <= limit and text.count("\n") <= 3:
        return h("span", text, class_="text")
    more = len(text) - FULL
    rest = h("em", f" … and {more:,} more characters") if more > 0 else None
    return h(
        "details",
        h("summary", clipped(text, limit)),
        h("div", text[:FULL], class_="text"),
        rest,
        class_="long",
    )


def clipped(text: str, limit: int) -> str:
    """A text on one line, at most `limit` characters with an ellipsis at the end when something was cut."""
    line = " ".join(text[: 4 * limit + 100].split())
    return line if len(line) <= limit and len(text) <= 4 * limit + 100 else line[: limit - 1].rstrip() + "…"


def middle(text: str, limit: int) -> str:
    """A name on one line, cut in its middle: both the folder and the end of a path tell something."""
    line = " ".join(text.split())
    return (
        line
        if len(line) <= limit
        else line[: limit // 3].rstrip() + "…" + line[-(limit - limit // 3 - 1) :].lstrip()
    )


def number(value: float) -> str:
    """A score for people: four digits, thousands separated, no exponent where it can be helped.

    >>> number(0.28312), number(-44512.0), number(3.0), number(0.00012345)
    ('0.2831', '-44,512', '3', '0.0001234')
    """
    if 1000 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    if 1e-3 <= abs(value) < 1:
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return f"{value + 0.0:.4g}"


def rank(value: float) -> str:
    """A rank for people; one that is shared may be a half.

    >>> rank(39984.0), rank(1.5)
    ('39,984', '1.5')
    """
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def signed(value: float) -> str:
    """A correlation with two digits and a true minus sign."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def said(value: Any) -> str:
    """Any value of options, parameters or details as text.

    Strings as they are, numbers short, the rest as JSON.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return number(value)
    return json.dumps(plain(value), ensure_ascii=False)


def _attribute(name: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    key = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {key}"
    text = value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    return f' {key}="{escape(text)}"'
