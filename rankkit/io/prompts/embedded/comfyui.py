"""ComfyUI: the graph that made the image, walked back from the node that saved it to the text of its positive
prompt.

The way is: saving node, decoding, sampler (of a chain the one that starts from an empty latent), its positive
conditioning, text. Inputs `clip` and `model` are never walked. Where the way cannot be followed to the end
there is no prompt, and the reason names the node.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from rankkit.io.prompts.embedded import comfy_nodes as nodes
from rankkit.io.prompts.embedded.comfy_text import Lost, Node, TextWalk, link, nodes_of, slot_of
from rankkit.io.prompts.embedded.container import Found, Texts, as_object

PROGRAM = "ComfyUI"


def read(texts: Texts, file_name: str = "") -> Found | None:
    """The positive prompt of the graph in `prompt`, in EXIF's Model, Make or ImageDescription, or in the
    UserComment.
    """
    graph = _graph(texts)
    if graph is None:
        only_canvas = "workflow" in texts and "nodes" in as_object(texts["workflow"])
        return (
            Found(PROGRAM, None, "only the canvas (workflow) is stored, not the graph that ran")
            if only_canvas
            else None
        )
    try:
        return Found(PROGRAM, GraphWalk(graph).prompt(file_name))
    except Lost as lost:
        return Found(PROGRAM, None, str(lost))
    except RecursionError:
        return Found(PROGRAM, None, "the graph is nested too deeply to be followed")


def _graph(texts: Texts) -> dict[str, Node] | None:
    for name in ("prompt", "Model", "Make", "ImageDescription", "UserComment", "comment"):
        text = texts.get(name, "")
        label, _, rest = text.partition(":")
        value = as_object(rest if label.strip().lower() == "prompt" else text)
        inside = value.get("prompt")
        for candidate in (
            value,
            inside if isinstance(inside, dict) else as_object(inside if isinstance(inside, str) else None),
        ):
            found = nodes_of(candidate)
            if found:
                return found
    return None


class GraphWalk:
    """The way back through one graph."""

    def __init__(self, graph: Mapping[str, Node]) -> None:
        self.graph = graph
        self.texts = TextWalk(graph)

    def prompt(self, file_name: str) -> str:
        """The positive prompt of the image. Raises `Lost` where it cannot be told."""
        savers = [key for key, node in self.graph.items() if self._saves(node)]
        saving = [key for key in savers if "save" in self.graph[key].kind.lower()] or savers
        if not saving:
            return self._only(self._of_samplers(), "samplers")
        named = [key for key in saving if self._prefixed(self.graph[key], file_name)]
        return self._only((self._of_image(key) for key in named or saving), "nodes that save an image")

    def _saves(self, node: Node) -> bool:
        return bool(nodes.SAVERS.search(node.kind)) and any(
            link(node.inputs.get(name)) for name in nodes.IMAGE_INPUTS
        )

    def _prefixed(self, node: Node, file_name: str) -> bool:
        """Whether a saving node's file name prefix is how the file's name begins."""
        prefix = node.inputs.get("filename_prefix")
        start = os.path.basename(prefix.replace("\\", "/")).split("%")[0] if isinstance(prefix, str) else ""
        return bool(start) and file_name.startswith(start)

    def _only(self, prompts: Iterator[str | Lost], what: str) -> str:
        """The one prompt that all ways lead to.

        Raises `Lost` where they lead to several, or one of them to none.
        """
        found = list(prompts)
        texts = {each for each in found if isinstance(each, str)}
        lost = [each for each in found if isinstance(each, Lost)]
        if len(texts) > 1:
            raise Lost(
                f"{len(found)} {what} have different prompts, and the file's name does not tell which made "
                f"this image"
            )
        if lost:
            raise lost[0]
        if not texts:
            raise Lost(f"the graph has no {what}")
        return texts.pop()

    def _of_samplers(self) -> Iterator[str | Lost]:
        for key, node in self.graph.items():
            if self._samples(node):
                yield self._try(lambda key=key: self._of_sampler(self._first_sampler(key) or key))

    def _of_image(self, key: str) -> str | Lost:
        return self._try(lambda: self._of_sampler(self._sampler_of_image(key, set())))

    def _try(self, walk: Any) -> str | Lost:
        try:
            return str(walk())
        except Lost as lost:
            return lost

    # --- from the image to its sampler ---

    def _sampler_of_image(self, key: str, seen: set[str]) -> str:
        """The sampler that an image comes from, back from the node `key`."""
        node = self._visit(key, seen)
        if self._samples(node):
            return self._first_sampler(key) or key
        if nodes.DECODERS.search(node.kind):
            source = self._one_link(node, nodes.LATENT_INPUTS)
            return self._sampler_of_latent(source, seen)
        if nodes.LOADED.search(node.kind):
            raise Lost(f"the image was loaded by {node.name}, not generated")
        return self._sampler_of_image(self._one_link(node, nodes.IMAGE_INPUTS), seen)

    def _sampler_of_latent(self, key: str, seen: set[str]) -> str:
        node = self._visit(key, seen)
        if self._samples(node):
            return self._first_sampler(key) or key
        return self._sampler_of_latent(self._one_link(node, nodes.LATENT_INPUTS), seen)

    def _first_sampler(self, key: str, depth: int = 0) -> str | None:
        """Of a chain of samplers the first, which starts from an empty latent; an image encoded on the way
        belongs to the chain.
        """
        if depth > 100:
            raise Lost("the samplers of the graph form a circle")
        start = next(
            (found for name in nodes.LATENT_INPUTS if (found := link(self.graph[key].inputs.get(name)))), None
        )
        before = self._before(start, set()) if start else None
        return (self._first_sampler(before, depth + 1) or before) if before else None

    def _before(self, key: str, seen: set[str]) -> str | None:
        """The sampler whose latent or image leads into the node `key`, if one does."""
        node = self.graph.get(key)
        if node is None or key in seen:
            return None
        seen.add(key)
        if self._samples(node):
            return key
        links = [
            found
            for name in (*nodes.LATENT_INPUTS, *nodes.IMAGE_INPUTS)
            if (found := link(node.inputs.get(name)))
        ]
        return self._before(links[0], seen) if links else None

    def _samples(self, node: Node) -> bool:
        if not nodes.SAMPLERS.search(node.kind) or nodes.NOT_SAMPLERS.search(node.kind):
            return False
        return any(name in node.inputs for name in ("positive", "guider", "conditioning", *nodes.PIPES))

    # --- from the sampler to its prompt ---

    def _of_sampler(self, key: str) -> str:
        node = self.graph[key]
        for name in ("positive", "guider", "conditioning", *nodes.PIPES):
            if name in node.inputs:
                return self._conditioning(node.inputs[name], node, set())
        raise Lost(f"{node.name} has no positive input")

    def _conditioning(self, value: Any, owner: Node, seen: set[str]) -> str:
        """The text of a conditioning, from the value of the input that leads to it."""
        if isinstance(value, str):
            return self.texts.checked(value, owner)
        key = link(value)
        if key is None:
            raise Lost(f"{owner.name} has no positive prompt connected")
        node, slot = self._visit(key, seen), slot_of(value)
        if nodes.ZERO.search(node.kind):
            return ""
        literal = next(
            (
                node.inputs[name]
                for name in ("positive", "positive_prompt")
                if isinstance(node.inputs.get(name), str)
            ),
            None,
        )
        if literal is not None and not nodes.ENCODERS.search(node.kind):
            if slot == 2:  # of loaders that carry both prompts, the negative one
                raise Lost(f"{node.name} gives its negative prompt to a positive input")
            return self.texts.checked(literal, node)
        if nodes.ENCODERS.search(node.kind) and any(name in node.inputs for name in nodes.ENCODER_FIELDS):
            return self.texts.of_encoder(node)
        if "positive" in node.inputs and "negative" in node.inputs:
            return self._conditioning(node.inputs[self._side(node, slot)], node, seen)
        names = [name for name in node.inputs if self._conditions(name) and link(node.inputs[name])]
        if not names:
            raise Lost(f"{node.name} does not show where its conditioning comes from")
        parts = [self._conditioning(node.inputs[name], node, set(seen)) for name in self._in_order(names)]
        return ", ".join(dict.fromkeys(part.strip(" ,") for part in parts if part.strip(" ,")))

    def _side(self, node: Node, slot: int) -> str:
        """Which of its two conditionings a node passes on by an output: the first or the second; a sampler's
        come behind its model.
        """
        sides = {1: "positive"} if nodes.SAMPLERS.search(node.kind) else {0: "positive", 1: "negative"}
        if slot not in sides:
            raise Lost(f"output {slot} of {node.name} is no positive conditioning")
        return sides[slot]

    def _conditions(self, name: str) -> bool:
        return (
            name.lower().startswith(("conditioning", "cond", "positive"))
            or name in nodes.PIPES
            or name == "guider"
        )

    def _in_order(self, names: list[str]) -> list[str]:
        """`conditioning_to` is the one that another is put behind."""
        return sorted(names, key=lambda name: (name.endswith("_from"), names.index(name)))

    def _visit(self, key: str, seen: set[str]) -> Node:
        if key in seen or len(seen) > 300:
            raise Lost("the graph runs in a circle")
        seen.add(key)
        node = self.graph.get(key)
        if node is None:
            raise Lost(f"the graph lacks node {key}")
        return node

    def _one_link(self, node: Node, names: tuple[str, ...]) -> str:
        """The one link among inputs of these names; a switch's is the one that it selects."""
        chosen = self.texts.chosen(node)
        links = [key for name in ([chosen] if chosen else names) if (key := link(node.inputs.get(name)))]
        if not links:
            links = (
                [key for value in node.inputs.values() if (key := link(value))]
                if len(node.inputs) == 1
                else []
            )
        if not links:
            raise Lost(f"{node.name} does not show where its image comes from")
        return links[0]
