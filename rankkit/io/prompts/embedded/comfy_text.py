"""The text that reaches an input of a ComfyUI graph: constants, and nodes that join, switch, replace or show
texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rankkit.io.prompts.embedded import comfy_nodes as nodes


class Lost(Exception):
    """Why the way to the prompt cannot be followed, in words that name the node."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a graph: its number, its class, and its inputs, which are values or links."""

    key: str
    kind: str
    inputs: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The node as a message names it."""
        return f"node {self.key} ({self.kind[:60]})"


def nodes_of(value: Any) -> dict[str, Node]:
    """The nodes of a graph as ComfyUI runs it; none where the value is no such graph."""
    if not isinstance(value, dict):
        return {}
    return {
        str(key): Node(str(key), node["class_type"], node["inputs"])
        for key, node in value.items()
        if isinstance(node, dict)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), dict)
    }


def link(value: Any) -> str | None:
    """The node that an input is linked to, if it is a link."""
    linked = (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], (str, int))
        and isinstance(value[1], int)
    )
    return str(value[0]) if linked else None


def slot_of(value: Any) -> int:
    """The output slot of a link."""
    return int(value[1])


class TextWalk:
    """Texts of one graph, followed back to what was written."""

    def __init__(self, graph: Mapping[str, Node]) -> None:
        self.graph = graph

    def of_encoder(self, node: Node) -> str:
        """The prompt of a text encoder: its one text, or the several of an SDXL or Flux encoder."""
        found = {
            name: self.value(node.inputs[name], node, frozenset())
            for name in nodes.ENCODER_FIELDS
            if isinstance(node.inputs.get(name), str) or link(node.inputs.get(name))
        }
        if "populated_text" in found:
            return found["populated_text"]
        texts = {name: text.strip() for name, text in found.items() if text.strip()}
        if set(texts) <= set(nodes.FLUX_FIELDS):
            return next((texts[name] for name in nodes.FLUX_FIELDS if name in texts), "")
        return ", ".join(dict.fromkeys(texts.values()))

    def value(self, value: Any, owner: Node, seen: frozenset[str]) -> str:
        """The text of an input's value. Raises `Lost` where it cannot be told."""
        if isinstance(value, str):
            return self.checked(value, owner)
        key = link(value)
        if key is None:
            raise Lost(f"{owner.name} has {str(value)[:40]!r} where a text should be")
        if key in seen or len(seen) > 200:
            raise Lost("the texts of the graph run in a circle")
        node = self.graph.get(key)
        if node is None:
            raise Lost(f"the graph lacks node {key}")
        return self._of_node(node, seen | {key})

    def checked(self, text: str, owner: Node) -> str:
        """A text as it stands, unless it is a template of which only one choice was drawn."""
        if nodes.TEMPLATE_TEXT.search(text):
            raise Lost(f"{owner.name} holds a template, and what was drawn from it stands nowhere")
        return text

    def _of_node(self, node: Node, seen: frozenset[str]) -> str:
        inputs = node.inputs
        if nodes.ENCODERS.search(node.kind):
            raise Lost(f"{node.name} gives a conditioning where a text should be")
        shown = inputs.get("text_0", inputs.get("text2"))
        if isinstance(shown, str) and nodes.SHOWN.search(node.kind):
            return self.checked(shown, node)
        if isinstance(inputs.get("populated_text"), str):
            return self.checked(inputs["populated_text"], node)
        if isinstance(inputs.get("prompt_text"), str):
            stored = "prompt_text" if not inputs.get("use_input_text") else "text"
            return self.value(inputs.get(stored), node, seen)
        chosen = self.chosen(node)
        if chosen is not None:
            return self.value(inputs.get(chosen), node, seen)
        if nodes.REPLACERS.search(node.kind):
            return self._replaced(node, seen)
        if nodes.WRITERS.search(node.kind):
            raise Lost(f"{node.name} writes the prompt while it runs, and what it wrote stands nowhere")
        if nodes.TEMPLATES.search(node.kind):
            raise Lost(f"{node.name} draws the prompt from a template, and what it drew stands nowhere")
        joined = self._joined(node, seen)
        if joined is not None:
            return joined
        return self._only_text(node, seen)

    def _joined(self, node: Node, seen: frozenset[str]) -> str | None:
        """The texts that a node joins, by its delimiter; None for a node that joins none."""
        parts = [
            name for name in node.inputs if nodes.JOINED.match(name) and self._is_text(node.inputs[name])
        ]
        if not parts or not (
            nodes.JOINS.search(node.kind) or any(name in node.inputs for name in nodes.DELIMITERS)
        ):
            return None
        if node.inputs.get("action") == "replace":
            raise Lost(f"{node.name} replaces a part of its text, which is not followed")
        delimiter = next(
            (node.inputs[name] for name in nodes.DELIMITERS if name in node.inputs),
            ", " if "action" in node.inputs else "",
        )
        if not isinstance(delimiter, str):
            raise Lost(f"{node.name} takes its delimiter from another node")
        texts = [self.value(node.inputs[name], node, seen) for name in sorted(parts, key=_by_number)]
        if "clean_whitespace" in node.inputs or "action" in node.inputs:
            texts = [text.strip() for text in texts]
        return delimiter.replace("\\n", "\n").join(text for text in texts if text)

    def _replaced(self, node: Node, seen: frozenset[str]) -> str:
        inputs = node.inputs
        source = next((inputs[name] for name in ("text", "string", "source") if name in inputs), None)
        old = next((inputs[name] for name in ("find", "search", "old", "target") if name in inputs), None)
        new = next(
            (inputs[name] for name in ("replace", "replacement", "replace_with", "new") if name in inputs),
            None,
        )
        if (
            source is None
            or not isinstance(old, str)
            or not isinstance(new, str)
            or "regex" in node.kind.lower()
        ):
            raise Lost(f"{node.name} replaces a part of its text in a way that is not followed")
        text = self.value(source, node, seen)
        return text.replace(old, new) if old else text

    def _only_text(self, node: Node, seen: frozenset[str]) -> str:
        """The one text that a node holds or passes on. Raises `Lost` for none, and for more than one."""
        names = [name for name in nodes.TEXT_FIELDS if self._is_text(node.inputs.get(name))]
        others = [
            name
            for name, value in node.inputs.items()
            if nodes.JOINED.match(name) and self._is_text(value) and name not in names
        ]
        names += others
        linked = [name for name in names if link(node.inputs[name])]
        if len(names) > 1:
            written = {
                name for name in names if not link(node.inputs[name]) and not str(node.inputs[name]).strip()
            }
            names = [name for name in names if name not in written]
        if len(names) == 1:
            return self.value(node.inputs[names[0]], node, seen)
        if (
            not names
            and not linked
            and any(isinstance(node.inputs.get(name), str) for name in nodes.TEXT_FIELDS)
        ):
            return ""
        if not names:
            raise Lost(f"{node.name} holds no text that is known")
        raise Lost(
            f"{node.name} has more than one text ({', '.join(names)}), and it is not known what it makes of "
            f"them"
        )

    def chosen(self, node: Node) -> str | None:
        """The input that a switch selects;

        None for a node that is no switch. Raises `Lost` where another node decides.
        """
        inputs = node.inputs
        pairs = (
            ("on_true", "on_false"),
            ("true", "false"),
            ("if_true", "if_false"),
            ("true_value", "false_value"),
        )
        both = next((pair for pair in pairs if set(pair) <= inputs.keys()), None)
        selectors = [
            name
            for name in (
                "select",
                "Input",
                "input",
                "index",
                "boolean",
                "switch",
                "condition",
                "choice",
                "value",
                "boolean_number",
            )
            if name in inputs
        ]
        if both is None and (not nodes.SWITCHES.search(node.kind) or not selectors):
            return None
        candidates = [
            name
            for name in inputs
            if (nodes.JOINED.match(name) or name.startswith(("input", "any_", "image")))
            and name not in selectors
        ]
        if both is None and len(candidates) < 2:
            return candidates[0] if candidates else None
        selector = next((inputs[name] for name in selectors), None)
        if isinstance(selector, str) and selector.isdigit():
            selector = int(selector)
        if not isinstance(selector, (bool, int)):
            raise Lost(f"{node.name} is switched by another node")
        if both is not None:
            return both[0] if selector else both[1]
        if isinstance(selector, bool) or "boolean_number" in selectors:
            return sorted(candidates, key=_by_number)[0 if selector else 1]
        numbered = {number: name for name in candidates if (number := _by_number(name)[1]) is not None}
        if selector not in numbered:
            raise Lost(f"{node.name} selects input {selector}, which it does not have")
        return numbered[selector]

    def _is_text(self, value: Any) -> bool:
        return isinstance(value, str) or link(value) is not None


def _by_number(name: str) -> tuple[int, int | None, str]:
    """Inputs in their order: text1 before text2 before text10, text_a before text_b."""
    digits = name[len(name.rstrip("0123456789")) :]
    if digits:
        return 0, int(digits), name
    letter = ord(name[-1].lower()) - ord("a") + 1 if name[-1:].isalpha() and name[-2:-1] == "_" else None
    return 0 if letter else 1, letter, name
