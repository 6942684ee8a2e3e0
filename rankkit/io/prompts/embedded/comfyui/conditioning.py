"""From a sampler to its prompt: the positive conditioning, by input and output, back to the text of it."""

from __future__ import annotations

from typing import Any

from rankkit.io.prompts.embedded.comfyui import kinds, words
from rankkit.io.prompts.embedded.comfyui.graph import Graph, Link, Lost, Node, link_of
from rankkit.io.prompts.embedded.comfyui.kinds import Side
from rankkit.io.prompts.embedded.comfyui.switches import chosen, counted, order
from rankkit.io.prompts.embedded.comfyui.texts import TextWalk, deciding, is_text, refuse_style

Way = frozenset[Link]


class ConditioningWalk:
    """Conditionings of one graph, followed back to their texts; each output is followed once for a side."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.texts = TextWalk(graph)
        self.known: dict[tuple[Link, Side], str | Lost] = {}

    def of_sampler(self, node: Node) -> str:
        """The positive prompt of a sampler, or of a service's node. Raises `Lost` where it cannot be told."""
        if kinds.SERVICES.search(node.kind):
            return self.texts.of_encoder(node, [name for name in ("prompt", "text") if name in node.inputs])
        for name in node.inputs:
            if name in kinds.POSITIVES:
                return self._value(node.inputs[name], node, "positive", frozenset())
        for name, link in node.links():
            if kinds.PIPE.search(name):
                return self._link(link, "positive", frozenset())
        raise Lost(f"{node.name} has no positive input")

    def _value(self, value: Any, owner: Node, side: Side, way: Way) -> str:
        if isinstance(value, str):
            return self.texts.checked(value, owner)
        link = link_of(value)
        if link is None:
            raise Lost(f"{owner.name} has no {side} prompt connected")
        return self._link(link, side, way)

    def _link(self, link: Link, side: Side, way: Way) -> str:
        """The text of a conditioning, or of one side of a pipe that carries both."""
        if (link, side) not in self.known:
            further = self.graph.step(link, way)
            try:
                self.known[link, side] = self._of_node(self.graph.node(link), link.slot, side, further)
            except Lost as lost:
                self.known[link, side] = lost
        found = self.known[link, side]
        if isinstance(found, Lost):
            raise found
        return found

    def _of_node(self, node: Node, slot: int, side: Side, way: Way) -> str:
        if kinds.ZERO.search(node.kind):
            return ""
        refuse_style(node, 0)
        name = kinds.MAIN.get(node.kind) or chosen(node, self.graph)
        if name is not None:
            return self._value(node.inputs.get(name), node, side, way)
        sides = {name: held for name in node.inputs if (held := kinds.side_of_name(name))}
        both, encodes = len(set(sides.values())) == 2, bool(kinds.ENCODERS.search(node.kind))
        joins = any(kinds.CONDITIONING.match(name) for name, _ in node.links())
        if both or ("positive" in sides.values() and not encodes) or (sides and not encodes and not joins):
            return self._of_side(node, slot, side, sides, way)
        pipe = self._pipe(node)
        if pipe is not None:
            return self._link(pipe, self._side(node, slot, side, kinds.HELD), way)
        if encodes:
            fields = [name for name in kinds.fields_of(node.inputs) if is_text(node.inputs.get(name))]
            if fields:
                self.texts.refuse_additions(node)
                return self.texts.of_encoder(node, fields)
        return self._joined(node, side, way)

    def _side(self, node: Node, slot: int, side: Side, otherwise: kinds.Outputs | None) -> Side:
        """Which side an output gives: its own, or the one asked for where it is a pipe of both."""
        given = kinds.side_of_output(node.kind, slot, otherwise)
        if given is None:
            raise Lost(f"output {slot} of {node.name} is no conditioning that is known")
        return side if given == "pipe" else given

    def _of_side(self, node: Node, slot: int, side: Side, sides: dict[str, Side], way: Way) -> str:
        """The prompt of one side of a node that has inputs for both, or for one and a pipe for the other."""
        held = any(isinstance(node.inputs[name], str) for name in sides)
        both = len(set(sides.values())) == 2
        passed = kinds.HELD if held else self._passed(node)
        asked = self._side(node, slot, side, passed if both else None)
        names = [name for name, given in sides.items() if given == asked and is_text(node.inputs[name])]
        if not names:
            pipe = self._pipe(node)
            if pipe is None:
                raise Lost(f"{node.name} has no {asked} prompt")
            return self._link(pipe, asked, way)
        if kinds.HOLDERS.search(node.kind):
            return self.texts.of_encoder(node, names)
        return _together(
            self._value(node.inputs[name], node, asked, way) for name in sorted(names, key=order)
        )

    def _passed(self, node: Node) -> kinds.Outputs:
        """The outputs of a node that passes both sides on, behind the model where it passes that on too."""
        if node.link("model") is None:
            return kinds.PASSED
        return kinds.BEHIND_MODEL if Link(node.key, 0) in self.graph.models else kinds.PERHAPS_MODEL

    def _pipe(self, node: Node) -> Link | None:
        pipes = [link for name, link in node.links() if kinds.PIPE.search(name)]
        if len(pipes) > 1:
            raise Lost(f"{node.name} takes its prompts from several pipes")
        return pipes[0] if pipes else None

    def _joined(self, node: Node, side: Side, way: Way) -> str:
        """The prompts of the conditionings that a node joins or passes on, else the one text it encodes."""
        linked = (name for name, _ in node.links() if kinds.CONDITIONING.match(name))
        names = counted(node, linked)
        if len(names) > 1 and kinds.TAKEN_AWAY.search(node.kind):
            raise Lost(f"{node.name} takes one prompt away from another")
        strength = node.inputs.get("conditioning_to_strength")
        if strength in (0, 1) and {"conditioning_to", "conditioning_from"} <= set(names):
            names = ["conditioning_to" if strength == 1 else "conditioning_from"]
        if names:
            names.sort(key=lambda name: (name.endswith("_from"), order(name)[1] or 0))
            return _together(self._value(node.inputs[name], node, side, way) for name in names)
        links = dict(node.links())
        if "clip" in links and not kinds.SCHEDULES.search(node.kind):
            texts = [name for name in words.TEXT_FIELDS if is_text(node.inputs.get(name))]
            others = [name for name in node.inputs if words.ADDS.match(name)] + deciding(node)
            if len(texts) == 1 and not others:
                self.texts.refuse_additions(node)
                return self.texts.value(node.inputs[texts[0]], node)
        if len(links) == 1 and not links.keys() & {"clip", "model", "vae", "clip_vision"}:
            return self._link(next(iter(links.values())), side, way)
        raise Lost(f"{node.name} does not show where its conditioning comes from")


def _together(parts: Any) -> str:
    return ", ".join(dict.fromkeys(part.strip(" ,") for part in parts if part.strip(" ,")))
