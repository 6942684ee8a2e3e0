"""A graph as ComfyUI runs it: nodes by number, whose inputs are values or links to outputs of other nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

LONGEST_NAME = 200  # characters of a class
LONGEST_WAY = 300  # nodes from an image or a prompt back to where it comes from


class Lost(Exception):
    """Why the way to the prompt cannot be followed, in words that name the node."""


class Link(NamedTuple):
    """An output of a node: the node's number, and which of its outputs."""

    key: str
    slot: int


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a graph: its number, its class, and its inputs, which are values or links."""

    key: str
    kind: str
    inputs: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The node as a message names it."""
        return f"node {self.key[:40]} ({self.kind[:60]})"

    def link(self, name: str) -> Link | None:
        """Where an input of this name is linked to, if it is there and is a link."""
        return link_of(self.inputs.get(name))

    def links(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, Link]]:
        """The inputs of these names, or all of them, that are links."""
        for name in self.inputs if names is None else names:
            link = self.link(name)
            if link is not None:
                yield name, link


@dataclass(frozen=True)
class Graph:
    """The nodes of a graph, and the texts that nodes of the canvas showed when the image was made."""

    nodes: Mapping[str, Node]
    shown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def models(self) -> frozenset[Link]:
        """The outputs that some node takes for its model."""
        return frozenset(link for node in self.nodes.values() for _, link in node.links(("model",)))

    def node(self, link: Link) -> Node:
        """The node that a link leads to. Raises `Lost` where the graph lacks it."""
        found = self.nodes.get(link.key)
        if found is None:
            raise Lost(f"the graph lacks node {link.key[:40]}")
        return found

    def step(self, link: Link, way: frozenset[Link]) -> frozenset[Link]:
        """The way with one more link on it. Raises `Lost` where it comes round, or is too long to be one."""
        if link in way or len(way) >= LONGEST_WAY:
            raise Lost("the graph runs in a circle")
        return way | {link}


def link_of(value: Any) -> Link | None:
    """An input's value as a link, if it is one: the number of a node and of its output."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    key, slot = value
    linked = isinstance(key, (str, int)) and isinstance(slot, int) and not isinstance(slot, bool)
    return Link(str(key), slot) if linked else None


def nodes_of(value: Any) -> dict[str, Node]:
    """The nodes of a graph as ComfyUI runs it; none where the value is no such graph."""
    if not isinstance(value, dict):
        return {}
    return {
        str(key): Node(str(key), node["class_type"][:LONGEST_NAME], node["inputs"])
        for key, node in value.items()
        if isinstance(node, dict)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), dict)
    }


def shown_by(canvas: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The texts that stand in the nodes of a canvas, by the node's number.

    Nodes that show a text write it there while they run, as a list; a text that is in none, as in the graph
    itself, is that of the run before.
    """
    nodes = canvas.get("nodes")
    return {
        str(node.get("id")): tuple(_texts(node.get("widgets_values")))
        for node in (nodes if isinstance(nodes, list) else ())
        if isinstance(node, dict)
    }


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str) and depth > 1:
        yield value
    elif isinstance(value, list) and depth < 3:
        for each in value:
            yield from _texts(each, depth + 1)
