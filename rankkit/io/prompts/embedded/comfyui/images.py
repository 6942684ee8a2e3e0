"""From the image to its sampler: back from the node that saved it, through decoding and later passes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from rankkit.io.prompts.embedded.comfyui import kinds
from rankkit.io.prompts.embedded.comfyui.conditioning import ConditioningWalk
from rankkit.io.prompts.embedded.comfyui.graph import Graph, Link, Lost, Node
from rankkit.io.prompts.embedded.comfyui.switches import chosen

Keys = frozenset[str]


def prompt_of(graph: Graph, file_name: str) -> str:
    """The positive prompt of the image in a file of this name. Raises `Lost` where it cannot be told."""
    plotted = next((node for node in graph.nodes.values() if _plots_prompts(node)), None)
    if plotted:
        raise Lost(f"{plotted.name} makes a plot of images that have different prompts")
    walk = ImageWalk(graph)
    saving = _saving(graph, file_name)
    if saving:
        return walk.one_prompt(((node, walk.origins_of(node)) for node in saving), "nodes that save an image")
    samplers = (node for node in graph.nodes.values() if samples(node))
    return walk.one_prompt(((node, walk.origins(node.key)) for node in samplers), "samplers")


def _plots_prompts(node: Node) -> bool:
    axes = (str(node.inputs.get(name, "")).lower() for name in kinds.AXES)
    return kinds.PLOTTED.search(node.kind) is not None or any("prompt" in axis for axis in axes)


def _saving(graph: Graph, file_name: str) -> list[Node]:
    """The nodes that may have saved the file: by its name, or all that save."""
    saving = [
        node
        for node in graph.nodes.values()
        if kinds.SAVERS.search(node.kind) and any(node.links(kinds.IMAGE_INPUTS)) and not samples(node)
    ]
    keeping = [node for node in saving if kinds.KEEPERS.search(node.kind)]
    if kinds.TEMPORARY.search(file_name):
        return [node for node in saving if node not in keeping] or saving
    return _named(keeping, file_name) or keeping or saving


def _named(saving: list[Node], file_name: str) -> list[Node]:
    """The nodes whose prefix a file's name has: with a number behind it, else the longest that fits."""
    prefixes = [(node, _prefix(node)) for node in saving]
    exact = [
        node
        for node, prefix in prefixes
        if prefix and re.match(re.escape(prefix) + r"[_-]?\d+[_.]", file_name)
    ]
    begun = [(len(prefix), node) for node, prefix in prefixes if prefix and file_name.startswith(prefix)]
    longest = max((length for length, _ in begun), default=0)
    return exact or [node for length, node in begun if length == longest]


def _prefix(node: Node) -> str:
    """The name that a node gives its files, up to what is filled in."""
    prefix = node.inputs.get("filename_prefix")
    return os.path.basename(prefix.replace("\\", "/")).split("%")[0] if isinstance(prefix, str) else ""


def samples(node: Node) -> bool:
    """Whether a node denoises a latent by a prompt, or asks a service for an image."""
    if kinds.SERVICES.search(node.kind):
        return "prompt" in node.inputs
    if kinds.NOT_SAMPLERS.search(node.kind):
        return False
    told = any(name in kinds.POSITIVES or kinds.PIPE.search(name) for name in node.inputs)
    if kinds.SAMPLERS.search(node.kind):
        return told
    latent = any(node.links(kinds.LATENT_INPUTS))
    return "positive" in node.inputs and latent and len(kinds.SETTINGS & node.inputs.keys()) > 1


class ImageWalk:
    """The samplers with which images and latents of one graph began."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.prompts = ConditioningWalk(graph)
        self.known: dict[str, Keys | None] = {}
        self.ends: list[str] = []  # why ways ended before a sampler

    def one_prompt(self, found: Iterable[tuple[Node, Keys | Lost]], what: str) -> str:
        """The one prompt that all ways lead to.

        Raises `Lost` where they lead to several, or one of them to none.
        """
        answers = [self._prompt(node, origins) for node, origins in found]
        texts = {each for each in answers if isinstance(each, str)}
        lost = [each for each in answers if isinstance(each, Lost)]
        if len(texts) > 1:
            raise Lost(
                f"{len(answers)} {what} have different prompts, and the file's name does not tell which made "
                f"this image"
            )
        if lost:
            raise lost[0]
        if not texts:
            raise Lost(f"the graph has no {what}")
        return texts.pop()

    def _prompt(self, node: Node, origins: Keys | Lost) -> str | Lost:
        if isinstance(origins, Lost):
            return origins
        try:
            texts = {self.prompts.of_sampler(self.graph.nodes[key]) for key in sorted(origins)}
        except Lost as lost:
            return lost
        if len(texts) > 1:
            return Lost(f"{node.name} has an image made of several, which have different prompts")
        if not texts:
            return Lost(
                self.ends[0] if self.ends else f"{node.name} does not show where its image comes from"
            )
        return texts.pop()

    def origins_of(self, saver: Node) -> Keys | Lost:
        """The samplers with which the image of a saving node began."""
        _, link = next(saver.links(kinds.IMAGE_INPUTS))
        self.ends.clear()
        try:
            return self.origins(link.key)
        except Lost as lost:
            return lost

    def origins(self, key: str) -> Keys:
        """The samplers that began what a node gives: of a chain of samplers the first.

        An image encoded on the way belongs to the chain; none where it was loaded or is empty.
        """
        if key not in self.known:
            self.known[key] = None
            self.known[key] = self._origins(self.graph.nodes.get(key), key)
        found = self.known[key]
        if found is None:
            raise Lost("the graph runs in a circle")
        return found

    def _origins(self, node: Node | None, key: str) -> Keys:
        if node is None:
            self.ends.append(f"the graph lacks node {key[:40]}")
            return frozenset()
        if kinds.SERVICES.search(node.kind):
            return frozenset({node.key})
        each = [self.origins(link.key) for link in self._before(node)]
        if kinds.PUT_TOGETHER.search(node.kind) and any(each) and not all(each):
            raise Lost(f"{node.name} puts an image that was loaded beside the generated one")
        before = frozenset[str]().union(*each)
        if samples(node):
            return before or frozenset({node.key})
        if not before and kinds.LOADED.search(node.kind):
            self.ends.append(f"the image was loaded by {node.name}, not generated")
        return before

    def _before(self, node: Node) -> Iterator[Link]:
        """The images or latents that a node makes its own of."""
        if samples(node):
            yield from (link for _, link in node.links(kinds.LATENT_INPUTS))
            positive = node.link("positive")
            conditions = self.graph.nodes.get(positive.key) if positive else None
            if conditions:  # Stable Cascade's second stage goes on with the first one's latent
                yield from (link for _, link in conditions.links(("stage_c",)))
            return
        name = chosen(node, self.graph)
        if name is not None:
            yield from (link for _, link in node.links((name,)))
            return
        main = next((link for _, link in node.links((*kinds.IMAGE_INPUTS, *kinds.LATENT_INPUTS))), None)
        blended = [link for name, link in node.links() if kinds.BLENDED.match(name)]
        links = list(node.links())
        if main is not None:
            yield main
        yield from blended
        if main is None and not blended:
            if len(links) == 1 and not kinds.LOADED.search(node.kind):
                yield links[0][1]
            elif links:
                self.ends.append(f"{node.name} does not show where its image comes from")
