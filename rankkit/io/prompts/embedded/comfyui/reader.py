"""Finds ComfyUI's graph among the texts of a file, and reads its prompt."""

from __future__ import annotations

from rankkit.io.prompts.embedded.comfyui import words
from rankkit.io.prompts.embedded.comfyui.graph import Graph, Lost, Node, nodes_of, shown_by
from rankkit.io.prompts.embedded.comfyui.images import prompt_of
from rankkit.io.prompts.embedded.container import Found, Texts, as_object
from rankkit.io.text import UNFILLED

PROGRAM = "ComfyUI"
PLACES = ("prompt", "Model", "Make", "ImageDescription", "UserComment", "comment")


def read(texts: Texts, file_name: str = "") -> Found | None:
    """The positive prompt of the graph in `prompt`, in EXIF's Model, Make or ImageDescription, or in the
    UserComment.
    """
    nodes = _nodes(texts)
    if nodes is None:
        why = "only the canvas (workflow) is stored, not the graph that ran"
        return Found(PROGRAM, None, why) if _canvas(texts) else None
    showing = any(words.SHOWN.search(node.kind) for node in nodes.values())
    try:
        prompt = prompt_of(Graph(nodes, shown_by(_canvas(texts)) if showing else {}), file_name)
        if UNFILLED.fullmatch(prompt.strip()):
            raise Lost(f"a node gave the text {prompt.strip()!r}, which an input holds that was not filled")
        return Found(PROGRAM, prompt)
    except Lost as lost:
        return Found(PROGRAM, None, str(lost))
    except RecursionError:
        return Found(PROGRAM, None, "the graph is nested too deeply to be followed")


def _nodes(texts: Texts) -> dict[str, Node] | None:
    for name in PLACES:
        value = _labelled(texts.get(name, ""), "prompt")
        inside = value.get("prompt")
        for candidate in (value, inside if isinstance(inside, dict) else as_object(inside)):
            nodes = nodes_of(candidate)
            if nodes:
                return nodes
    return None


def _canvas(texts: Texts) -> dict[str, object]:
    """The workflow as the user laid it out: in a chunk, in EXIF or in a comment."""
    for name in ("workflow", *PLACES):
        value = _labelled(texts.get(name, ""), "workflow")
        inside = value.get("workflow")
        for candidate in (value, inside if isinstance(inside, dict) else as_object(inside)):
            if isinstance(candidate.get("nodes"), list):
                return candidate
    return {}


def _labelled(text: str, label: str) -> dict[str, object]:
    """A JSON object that may stand behind a label and a colon: ``Prompt: {…}``."""
    before, _, rest = text.partition(":")
    return as_object(rest if before.strip().lower() == label else text)
