"""Nodes that pass on one of their inputs: which one it was."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rankkit.io.prompts.embedded.comfyui.graph import Graph, Lost, Node, link_of

KINDS = re.compile(r"switch|select(?!or)|choice|index|if.?else|^if|condition(?!ing)|branch", re.IGNORECASE)
FIRST_LINKED = re.compile(r"^(?:Any Switch|Context Switch).*\(rgthree\)|^ComfyPassOrNone", re.IGNORECASE)
PAIRS = (
    ("on_true", "on_false"),
    ("true", "false"),
    ("if_true", "if_false"),
    ("true_value", "false_value"),
    ("tt_value", "ff_value"),
)
SELECTORS = (
    "select",
    "Input",
    "input",
    "index",
    "boolean",
    "switch",
    "cond",
    "condition",
    "choice",
    "value",
    "boolean_number",
)
CANDIDATES = re.compile(
    r"^(?:any|inputs?|images?|latents?|samples|conditioning|cond|pipe|text|string|str|prompt|value|ctx|option|case)"
    r"_?(?:\d+|[a-h])$",
    re.IGNORECASE,
)
CONSTANT = ("value", "boolean", "int", "number", "Value")


def chosen(node: Node, graph: Graph) -> str | None:
    """The input that a switch passes on; None for a node that is no switch.

    Raises `Lost` where that was decided at run time.
    """
    candidates = sorted((name for name in node.inputs if CANDIDATES.match(name)), key=order)
    if FIRST_LINKED.search(node.kind):
        names = [name for name in (*candidates, "anything", "default") if node.link(name)]
        return names[0] if names else None
    both = next((pair for pair in PAIRS if set(pair) & node.inputs.keys()), None)
    selectors = [name for name in SELECTORS if name in node.inputs]
    if not selectors or (both is None and not KINDS.search(node.kind)):
        return None
    if both is None and len(candidates) < 2:
        return candidates[0] if candidates else None
    selector = _constant(node.inputs[selectors[0]], node, graph)
    if both is not None:
        name = both[0] if selector else both[1]
    elif isinstance(selector, bool) or selectors[0] == "boolean_number":
        name = candidates[0 if selector else 1]
    else:
        name = next((each for each in candidates if order(each)[1] == selector), "")
    if name not in node.inputs:
        raise Lost(f"{node.name} selects an input that it does not have")
    return name


def _constant(value: object, owner: Node, graph: Graph) -> int:
    """A number or a truth value that stands in an input, or in the nodes that it is linked to."""
    for _ in range(10):
        if isinstance(value, str) and value.strip().lstrip("-").isdecimal():
            return int(value)
        if isinstance(value, (bool, int)):
            return value
        link = link_of(value)
        node = graph.nodes.get(link.key) if link else None
        if node is None or not set(node.inputs) & set(CONSTANT) or len(node.inputs) > 1:
            break
        value = next(iter(node.inputs.values()))
    raise Lost(f"{owner.name} is switched by another node")


def counted(node: Node, names: Iterable[str]) -> list[str]:
    """The inputs that a node reads: those behind its count of inputs are left from before.

    Raises `Lost` where the count is that of another node.
    """
    most = node.inputs.get("inputcount")
    if most is None:
        return list(names)
    if not isinstance(most, int):
        raise Lost(f"{node.name} takes the count of its inputs from another node")
    return [name for name in names if not name[-1:].isdigit() or (order(name)[1] or 0) <= most]


def order(name: str) -> tuple[int, int | None, str]:
    """Inputs in their order: text1 before text2 before text10, text_a before text_b."""
    digits = name[len(name.rstrip("0123456789")) :]
    if digits:
        return 0, int(digits[-9:]), name
    single = name[-1:].isascii() and name[-1:].isalpha() and (len(name) == 1 or name[-2:-1] == "_")
    return (0, ord(name[-1].lower()) - ord("a") + 1, name) if single else (1, None, name)
