"""What the gallery's tests share: the page as a tree, rows from scores, and some images."""

from __future__ import annotations

import math
from html.parser import HTMLParser
from pathlib import Path

from PIL import Image

from rankkit.core.types import Identity, ranks
from rankkit.io.rows import row
from rankkit.report.html import VOID


class Page(HTMLParser):
    """The page as a tree of (tag, attributes, children); refuses what is not well-formed."""

    def __init__(self, path: Path):
        super().__init__(convert_charrefs=True)
        self.root: Node = Node("", {})
        self.stack = [self.root]
        self.feed(path.read_text("utf-8"))
        self.close()
        assert [node.tag for node in self.stack] == [""], "every element is closed"

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), "no attribute twice"
        node = Node(tag, dict(attrs))
        self.stack[-1].children.append(node)
        if tag not in VOID:
            self.stack.append(node)

    def handle_endtag(self, tag):
        assert self.stack[-1].tag == tag, f"</{tag}> closes <{self.stack[-1].tag}>"
        self.stack.pop()

    def handle_data(self, data):
        self.stack[-1].children.append(data)

    def all(self, tag: str = "", cls: str = "", **attrs: str) -> list[Node]:
        return self.root.all(tag, cls, **attrs)

    def one(self, tag: str = "", cls: str = "", **attrs: str) -> Node:
        return self.root.one(tag, cls, **attrs)


class Node:
    def __init__(self, tag, attrs):
        self.tag, self.attrs, self.children = tag, attrs, []

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def every(self):
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.every()

    def all(self, tag="", cls="", **attrs) -> list[Node]:
        return [
            node
            for node in self.every()
            if (not tag or node.tag == tag)
            and (not cls or cls in (node.attrs.get("class") or "").split())
            and all(node.attrs.get(key) == value for key, value in attrs.items())
        ]

    def one(self, tag="", cls="", **attrs) -> Node:
        (found,) = self.all(tag, cls, **attrs)
        return found


def rows_of(
    scores,
    *,
    ranker="a",
    prompt="a cat",
    group="g",
    names=None,
    kind="pointwise",
    version="1",
    options=None,
    sha256=(),
    details=(),
):
    """One row per score, ranked as `records.rows` ranks them."""
    of = sum(not math.isnan(score) for score in scores)
    return [
        row(
            Identity(ranker, version, options or {}),
            group=group,
            prompt=prompt,
            image=names[i] if names else f"{i}.png",
            sha256=sha256[i] if sha256 else "",
            kind=kind,
            score=score,
            rank=rank,
            of=of,
            details=details[i] if details else {},
        )
        for i, (score, rank) in enumerate(zip(scores, ranks(scores), strict=True))
    ]


def save_images(folder: Path, n: int, size: int = 64) -> list[str]:
    """n different images in a folder; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        hue = Image.new("HSV", (size, size), (37 * i % 256, 200, 220))
        hue.convert("RGB").save(folder / f"{i}.png")
    return [str(folder / f"{i}.png") for i in range(n)]
