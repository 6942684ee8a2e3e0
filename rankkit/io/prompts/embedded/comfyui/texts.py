"""The text that reaches an input of a ComfyUI graph: constants, and nodes that join, switch, replace or show
texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rankkit.io.prompts.embedded.comfyui import kinds, words
from rankkit.io.prompts.embedded.comfyui.edits import changed, joined, replaced
from rankkit.io.prompts.embedded.comfyui.graph import Graph, Link, Lost, Node, link_of
from rankkit.io.prompts.embedded.comfyui.switches import chosen

LONGEST = 100_000  # characters of one prompt; a graph can double a text at every node
Way = frozenset[Link]


class TextWalk:
    """Texts of one graph, followed back to what was written; every output is followed once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[Link, str | Lost] = {}
        self.made = 0  # characters of all texts

    def of_encoder(self, node: Node, fields: Sequence[str]) -> str:
        """The prompt of a text encoder: its one text, or the several of an SDXL or Flux encoder."""
        found = {
            name: self.value(node.inputs[name], node) for name in fields if is_text(node.inputs.get(name))
        }
        if "populated_text" in found:
            return found["populated_text"]
        texts = {name: _after_the_system(text) for name, text in found.items() if text.strip()}
        if set(texts) <= set(kinds.T5_FIELDS):
            return next((texts[name] for name in kinds.T5_FIELDS if name in texts), "")
        return ", ".join(dict.fromkeys(texts.values()))

    def refuse_additions(self, node: Node) -> None:
        """Raises `Lost` for an encoder that makes another text of its own."""
        if words.REWRITES.search(node.kind):
            raise Lost(f"{node.name} rewrites the prompt, and what it wrote stands nowhere")
        puts_in = (name for name, value in node.inputs.items() if words.PUTS_IN.match(name) and _names(value))
        if name := next(puts_in, None):
            raise Lost(f"{node.name} adds its {name} to the text, and it is not known how")

    def value(self, value: Any, owner: Node, way: Way = frozenset()) -> str:
        """The text of an input's value. Raises `Lost` where it cannot be told."""
        if isinstance(value, str):
            return self.checked(value, owner)
        link = link_of(value)
        if link is None:
            raise Lost(f"{owner.name} has {str(value)[:40]!r} where a text should be")
        if link not in self.known:
            further = self.graph.step(link, way)
            try:
                self.known[link] = self._bounded(self._of_node(self.graph.node(link), link.slot, further))
            except Lost as lost:
                self.known[link] = lost
        found = self.known[link]
        if isinstance(found, Lost):
            raise found
        return found

    def checked(self, text: str, owner: Node) -> str:
        """A text as it stands, unless it is a template of which only one choice was drawn."""
        if words.TEMPLATE_TEXT.search(text):
            raise Lost(f"{owner.name} holds a template, and what was drawn from it stands nowhere")
        if words.LIST_TEXT.fullmatch(text.strip()):
            raise Lost(f"{owner.name} holds a list of texts that was written as one")
        return self._bounded(text)

    def _bounded(self, text: str) -> str:
        self.made += len(text)
        if len(text) > LONGEST or self.made > 50 * LONGEST:
            raise Lost(f"the prompt is longer than {LONGEST} characters")
        return text

    def _of_node(self, node: Node, slot: int, way: Way) -> str:
        field = words.field_of_output(node.kind, slot)
        if slot and field is None and node.kind not in words.JOINED_OUTPUT:
            negative = any(kinds.side_of_name(name) == "negative" for name in node.inputs)
            raise Lost(
                f"output {slot} of {node.name} {'may be its negative prompt' if negative else 'is not known'}"
            )
        if field is not None and self._adds(node) is None:
            return self.value(node.inputs.get(field, ""), node, way)
        if isinstance(node.inputs.get("populated_text"), str):
            return self.checked(node.inputs["populated_text"], node)
        if kinds.ENCODERS.search(node.kind):
            raise Lost(f"{node.name} gives a conditioning where a text should be")
        if isinstance(node.inputs.get("prompt_text"), str):
            stored = "prompt_text" if not node.inputs.get("use_input_text") else "text"
            return self.value(node.inputs.get(stored), node, way)
        if node.inputs.get("use_input_text") is False:
            raise Lost(f"{node.name} gives a text of its own, which is not stored")
        name = chosen(node, self.graph)
        if name is not None:
            return self.value(node.inputs[name], node, way)
        if words.SHOWN.search(node.kind):
            return self._shown(node, slot, way)
        self._refuse_what_is_made_elsewhere(node, slot)
        return self._made_here(node, slot, way)

    def _shown(self, node: Node, slot: int, way: Way) -> str:
        """What a node showed: the text that it was given, else the one that it wrote into the canvas.

        The text in its own inputs is that of the run before.
        """
        if node.inputs.get("mode") == "tensor shape":
            raise Lost(f"{node.name} shows the shape of its input, and not a text")
        try:
            return self._one_text(node, way, showing=True)
        except Lost:
            texts = [text for text in self.graph.shown.get(node.key, ()) if text.strip()]
            if len(texts) != 1:
                raise
            return self.checked(texts[0], node)

    def _refuse_what_is_made_elsewhere(self, node: Node, slot: int) -> None:
        """Raises `Lost` for a node whose text is written or drawn at run time, or stands in another file."""
        asks = next(
            (name for name in node.inputs if words.ASKS.match(name) and _is_set(node.inputs[name])), None
        )
        drawn = words.TEMPLATES.search(node.kind)
        if asks or (words.WRITERS.search(node.kind) and not drawn):
            raise Lost(f"{node.name} writes the prompt while it runs, and what it wrote stands nowhere")
        if drawn:
            texts = [node.inputs[name] for name in words.TEXT_FIELDS if is_text(node.inputs.get(name))]
            text = texts[0] if len(texts) == 1 else None
            lines = isinstance(text, str) and words.LINES.search(node.kind) and "\n" in text.strip()
            if not isinstance(text, str) or words.TEMPLATE_MARK.search(text) or lines:
                raise Lost(f"{node.name} draws the prompt from a template, and what it drew stands nowhere")
        refuse_style(node, slot)
        adds = self._adds(node)
        if adds:
            raise Lost(f"{node.name} adds its {adds} to the text, and it is not known how")

    def _adds(self, node: Node) -> str | None:
        """An input that adds to the text what stands elsewhere, if one is set."""
        set_ = (name for name, value in node.inputs.items() if words.ADDS.match(name) and _is_set(value))
        return next(set_, None)

    def _made_here(self, node: Node, slot: int, way: Way) -> str:
        def text(name: str) -> str:
            return self.value(node.inputs[name], node, way)

        made = replaced(node, text)
        if made is None:
            made = changed(node, text)
        if made is None:
            made = joined(node, slot, text)
        return self._one_text(node, way) if made is None else made

    def _one_text(self, node: Node, way: Way, showing: bool = False) -> str:
        """The one text that a node holds or passes on. Raises `Lost` for none, and for more than one."""
        fields = [name for name in node.inputs if name in words.TEXT_FIELDS or words.JOINED.match(name)]
        names = [name for name in fields if is_text(node.inputs[name])]
        odd = next(
            (name for name in fields if isinstance(node.inputs[name], (list, dict)) and name not in names),
            None,
        )
        if odd is not None:
            raise Lost(f"{node.name} has {str(node.inputs[odd])[:40]!r} where a text should be")
        if showing:  # what it was given, not what it showed the time before: text_0, text2
            linked = [name for name in names if node.link(name)]
            names = linked or [name for name in names if name in words.TEXT_FIELDS]
        told = [name for name in names if node.link(name) or node.inputs[name].strip()]
        if len(told) == 1:
            self._refuse_a_part(node, told[0])
            self._refuse_what_else_decides(node, fields)
            return self.value(node.inputs[told[0]], node, way)
        if not told and names:
            return ""
        if not told:
            raise Lost(f"{node.name} holds no text that is known")
        several = ", ".join(name[:30] for name in told[:5])
        raise Lost(
            f"{node.name} has more than one text ({several}), and it is not known what it makes of them"
        )

    def _refuse_what_else_decides(self, node: Node, fields: Sequence[str]) -> None:
        """Raises `Lost` where other inputs may decide what a node makes of its text, or replace it."""
        set_ = deciding(node)
        linked = (
            name
            for name, link in node.links()
            if name not in fields and not words.HARMLESS.search(name) and self._may_hold_text(link)
        )
        if name := next(iter(set_), None) or next(linked, None):
            raise Lost(f"{node.name} goes by its {name[:40]}, and it is not known how")

    def _may_hold_text(self, link: Link) -> bool:
        """Whether an output may be a text: its node has an input that is one, or is linked to more nodes."""
        node = self.graph.nodes.get(link.key)
        return node is None or any(map(is_text, node.inputs.values()))

    def _refuse_a_part(self, node: Node, name: str) -> None:
        """Raises `Lost` where a node gives a line of its text, or puts other inputs in it."""
        text = node.inputs[name]
        if not isinstance(text, str):
            return
        number = next((each for each in node.inputs if words.NUMBERS.match(each)), None)
        if number and "\n" in text.strip():
            raise Lost(f"{node.name} may give one line of its text, by its {number}")
        if set(words.PLACES.findall(text)) & node.inputs.keys():
            raise Lost(f"{node.name} puts other inputs into its text, and it is not known how")


def deciding(node: Node) -> list[str]:
    """The inputs that are set and decide what a node makes of its text."""
    return [name for name, value in node.inputs.items() if words.DECIDES.match(name) and _names(value)]


def _names(value: Any) -> bool:
    """Whether an input is set to something that adds words."""
    return _is_set(value) and str(value).strip().lower() not in words.NO_STYLE


def _after_the_system(text: str) -> str:
    """A text without the instruction that Lumina's models are given before the prompt."""
    return text.rpartition("<Prompt Start>")[2].strip()


def is_text(value: Any) -> bool:
    """Whether an input's value is a text, or is linked to what may be one."""
    return isinstance(value, str) or link_of(value) is not None


def _is_set(value: Any) -> bool:
    return value not in (None, "", False, 0, [])


def refuse_style(node: Node, slot: int) -> None:
    """Raises `Lost` for a node that adds the words of a style to a text or to a conditioning."""
    style = node.inputs.get("select_styles", node.inputs.get("style", ""))
    if words.STYLERS.search(node.kind) and (slot or str(style).strip().lower() not in words.NO_STYLE):
        raise Lost(f"{node.name} adds the words of a style, which stand nowhere")
