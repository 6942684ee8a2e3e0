"""What nodes of a ComfyUI graph make of the texts they are given: joined, replaced, cut."""

from __future__ import annotations

import re
from collections.abc import Callable

from rankkit.io.prompts.embedded.comfyui import words
from rankkit.io.prompts.embedded.comfyui.graph import Lost, Node, link_of
from rankkit.io.prompts.embedded.comfyui.switches import counted, order

MOST = 200_000  # characters that a node may make
SOURCES = ("text", "string", "source")
OLDS = ("find", "search", "old", "target")
NEWS = ("replace", "replacement", "replace_with", "new")
NAMED = {"none": "", "space": " ", "newline": "\n"}  # delimiters that some nodes name
PLACE = re.compile(r"\{([a-z])\}")

Text = Callable[[str], str]  # the text of an input, by its name


def joined(node: Node, slot: int, text: Text) -> str | None:
    """The texts that a node joins, by its delimiter; None for a node that joins none."""
    parts = [
        name
        for name in counted(node, node.inputs)
        if words.JOINED.match(name) and _is_part(node.inputs[name])
    ]
    known = words.JOINS.search(node.kind)
    delimiters = [name for name in words.DELIMITERS if name in node.inputs]
    if not parts or not (known or delimiters):
        return None
    if not known and len(parts) == 1:
        return None
    if slot != words.JOINED_OUTPUT.get(node.kind, 0):
        raise Lost(f"output {slot} of {node.name} is not known")
    if node.inputs.get("return_list") is True:
        raise Lost(f"{node.name} gives a list of texts, and not which of them made this image")
    delimiter = _delimiter(node, delimiters)
    texts = [each for name in sorted(parts, key=order) if (each := _part(node, text(name)))]
    _refuse(node, sum(len(each) + len(delimiter) for each in texts))
    return delimiter.join(texts)


def _refuse(node: Node, characters: int) -> None:
    """Raises `Lost` before a text is made that is too long to be a prompt."""
    if characters > MOST:
        raise Lost(f"{node.name} makes a text longer than {MOST} characters")


def _is_part(value: object) -> bool:
    return isinstance(value, str) or link_of(value) is not None


def _delimiter(node: Node, names: list[str]) -> str:
    if not names and "tidy_tags" in node.inputs:
        return ", " if node.inputs["tidy_tags"] == "yes" else ""
    if not names and node.kind not in words.JOINED_BY:
        raise Lost(f"{node.name} joins its texts, and it is not known what it puts between them")
    delimiter = node.inputs[names[0]] if names else words.JOINED_BY[node.kind]
    if not isinstance(delimiter, str):
        raise Lost(f"{node.name} takes its delimiter from another node")
    if delimiter.lower() in ("comma", "period", "semicolon", "tab"):
        raise Lost(f"{node.name} names its delimiter {delimiter!r}, and it is not known what that puts in")
    return NAMED.get(delimiter.lower(), delimiter).replace("\\n", "\n")


def _part(node: Node, text: str) -> str:
    if "tidy_tags" in node.inputs and text == "undefined":  # what an input that is not linked is sent as
        return ""
    return text.strip() if node.inputs.get("clean_whitespace") in (True, "true") else text


def replaced(node: Node, text: Text) -> str | None:
    """A node's text with a part replaced; None for a node that replaces none."""
    if node.inputs.get("action") == "replace" and "tidy_tags" in node.inputs:
        source, old, new = "text_a", "text_b", "text_c"
    elif words.REPLACERS.search(node.kind):
        source, old, new = (
            next((name for name in names if name in node.inputs), "") for names in (SOURCES, OLDS, NEWS)
        )
    else:
        return None
    plain = {source, old, new} <= node.inputs.keys() and not re.search("regex|dict", node.kind, re.IGNORECASE)
    if not plain:
        raise Lost(f"{node.name} replaces a part of its text in a way that is not followed")
    before, search, put = text(source), text(old), text(new)
    if search.startswith("/") and search.endswith("/"):
        raise Lost(f"{node.name} replaces by a pattern, which is not followed")
    if not search:
        if put:
            raise Lost(f"{node.name} replaces nothing by something, and it is not known what that makes")
        return before
    _refuse(node, before.count(search) * len(put))
    return before.replace(search, put)


def changed(node: Node, text: Text) -> str | None:
    """A text cut, set in other letters or filled in by a node of ComfyUI's own; None for other nodes.

    Raises `Lost` for one that changes its text in another way.
    """
    kind, mode = node.kind, node.inputs.get("mode")
    if kind == "Text Multiline" and "text" in node.inputs:  # lines that begin with # are notes
        return "\n".join(line for line in text("text").split("\n") if not line.lstrip().startswith("#"))
    if kind == "StringConstantMultiline" and node.inputs.get("strip_newlines"):
        return text("string").replace("\n", "").strip()
    if kind == "StringTrim":
        return text("string").strip()
    if kind == "StringSubstring":
        ends = [node.inputs.get(name) for name in ("start", "end")]
        if not all(isinstance(end, int) for end in ends):
            raise Lost(f"{node.name} cuts its text by another node")
        return text("string")[ends[0] : ends[1]]
    if kind == "CaseConverter":
        cases = {
            "UPPERCASE": str.upper,
            "lowercase": str.lower,
            "Capitalize": str.capitalize,
            "Title Case": str.title,
        }
        return cases.get(str(mode), str)(text("string"))
    if kind == "StringFormat" and isinstance(node.inputs.get("f_string"), str):
        return _filled(node, text)
    if words.CHANGES.search(kind):
        raise Lost(f"{node.name} changes its text in a way that is not followed")
    return None


def _filled(node: Node, text: Text) -> str:
    """A text with places ``{a}`` that other inputs fill."""
    form: str = node.inputs["f_string"]
    places = set(PLACE.findall(form))
    if set("{}") & set(PLACE.sub("", form)) or not all(f"values.{place}" in node.inputs for place in places):
        raise Lost(f"{node.name} formats its text in a way that is not followed")
    _refuse(node, sum(form.count(f"{{{place}}}") * len(text(f"values.{place}")) for place in places))
    return PLACE.sub(lambda found: text(f"values.{found[1]}"), form)
