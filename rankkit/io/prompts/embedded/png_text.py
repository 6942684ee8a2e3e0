"""Prompts that generators write into their images:
A1111's `parameters`, ComfyUI's `prompt` graph, and EXIF UserComment.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from PIL import Image

from rankkit.core.images import read
from rankkit.io.prompts.base import Item, Root, labelled

EDGE = (
    2**16
)  # prompts stand before the pixels, or (EXIF in PNG and WebP) behind them; no more of a file is looked at
SIGNS = (b"parameters", b"prompt", b"Exif", b"EXIF", b"eXIf")


def find(root: Root) -> Callable[[], Iterator[Item]] | None:
    """The images below, each with the prompt that its own file carries."""
    return (
        labelled(root, lambda entry: prompt_in(root.locate(entry.relative)))
        if root.files or root.path.is_dir()
        else None
    )


def prompt_in(path: str) -> str | None:
    """The positive prompt that an image file carries, or None."""
    try:
        if not any(sign in edge for edge in _edges(path) for sign in SIGNS):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                return _prompt(image.info, image)
    except Exception:  # a file that cannot be opened has no prompt; scoring it will say why
        return None


def _edges(path: str) -> Iterator[bytes]:
    """The parts of a file in which a prompt may stand; in a JPEG that is what comes before the first scan."""
    head = read(path, (0, EDGE))
    if not isinstance(head, bytes):
        return
    if head.startswith(b"\xff\xd8"):
        yield head.partition(b"\xff\xda")[0]
        return
    yield head
    tail = read(path, (max(os.path.getsize(path) - EDGE, 0), EDGE))
    yield tail if isinstance(tail, bytes) else b""


def _prompt(info: Mapping[Any, Any], image: Image.Image) -> str | None:
    if isinstance(info.get("parameters"), str):
        return _a1111(info["parameters"])
    if isinstance(info.get("prompt"), str):
        return _comfyui(info["prompt"])
    comment = image.getexif().get_ifd(0x8769).get(0x9286)  # Exif IFD, UserComment
    if isinstance(comment, bytes):
        comment = _user_comment(comment)
    return _a1111(comment) if isinstance(comment, str) else None


def _a1111(parameters: str) -> str | None:
    """The prompt is what stands before the negative prompt and the line of settings."""
    text = re.split(r"(?:^|\n)Negative prompt:|(?:^|\n)Steps: \d", parameters, maxsplit=1)[0].strip()
    return text or None


def _user_comment(data: bytes) -> str:
    code, text = data[:8], data[8:]
    if code.startswith(b"UNICODE"):
        big = text.startswith(b"\xfe\xff") or (len(text) > 1 and text[0] == 0)
        return text.decode("utf-16-be" if big else "utf-16-le", "replace").lstrip("\ufeff")
    return (text if code.startswith((b"ASCII", b"\0")) else data).decode("utf-8", "replace").strip("\0")


def _comfyui(graph: str) -> str | None:
    """The text that reaches the `positive` input of a sampler; without a sampler, the longest text in the
    graph; else the text itself.
    """
    try:
        nodes = json.loads(graph)
    except ValueError:
        return graph.strip() or None
    if not isinstance(nodes, dict):
        return None
    for node in nodes.values():
        positive = node.get("inputs", {}).get("positive") if isinstance(node, dict) else None
        if isinstance(positive, list) and positive:
            found = _text_of(nodes, str(positive[0]), set())
            if found:
                return found
    texts = [
        text for node in nodes.values() if isinstance(node, dict) for text in _texts(node.get("inputs", {}))
    ]
    return max(texts, key=len, default=None)


def _text_of(nodes: Mapping[str, Any], key: str, seen: set[str]) -> str | None:
    """Follow links of the graph upwards until a node holds text."""
    node = nodes.get(key)
    if key in seen or not isinstance(node, dict):
        return None
    seen.add(key)
    inputs = node.get("inputs", {})
    own = next(_texts(inputs), None)
    if own or not isinstance(inputs, dict):
        return own
    links = (value for value in inputs.values() if isinstance(value, list) and value)
    return next((text for link in links if (text := _text_of(nodes, str(link[0]), seen))), None)


def _texts(inputs: Any) -> Iterator[str]:
    if isinstance(inputs, dict):
        for name in ("text", "text_g", "text_l", "t5xxl", "prompt", "string", "value"):
            if isinstance(inputs.get(name), str) and inputs[name].strip():
                yield inputs[name].strip()
