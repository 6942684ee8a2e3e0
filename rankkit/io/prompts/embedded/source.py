"""The prompts inside the image files, as a source: the programs are asked in turn, the surest first."""

from __future__ import annotations

import os

from rankkit.io.prompts.base import Answer, Place, Root, Source
from rankkit.io.prompts.embedded import (
    a1111,
    comfyui,
    drawthings,
    easydiffusion,
    fooocus,
    invokeai,
    midjourney,
    novelai,
    swarmui,
)
from rankkit.io.prompts.embedded.container import Found, Texts, texts_in
from rankkit.io.text import LOST, WHY_LOST

NAME = "the prompts inside the image files"
SURE = (swarmui, fooocus, invokeai, novelai, drawthings, easydiffusion)


def find(root: Root) -> Source | None:
    """The images below, each with the prompt that its own file carries."""
    if root.manifest_only or not (root.files or root.path.is_dir()):
        return None

    def knows(place: Place) -> Answer | None:
        found = embedded_prompt(root.locate(place))
        if found is None:
            return None
        if LOST.fullmatch(found.prompt or ""):
            return Answer(why=WHY_LOST)
        return Answer(
            (found.prompt,) if found.prompt else (), found.why or "its prompt is empty", syntax=True
        )

    return Source(NAME, knows=knows)


def embedded_prompt(path: str) -> Found | None:
    """What the program that made an image file wrote of its prompt;

    None where it carries nothing that is known.
    """
    texts = texts_in(path)
    return read_texts(texts, os.path.basename(path)) if texts else None


def read_texts(texts: Texts, file_name: str = "") -> Found | None:
    """The prompt in the texts of a file: of the first program whose they are."""
    for program in SURE:
        found: Found | None = program.read(texts)
        if found is not None:
            return found
    graph = comfyui.read(texts, file_name)
    if graph is not None:
        return _stated(graph, texts)
    return midjourney.read(texts) or a1111.read(texts) or _chunk(texts)


def _stated(graph: Found, texts: Texts) -> Found:
    """The prompt of a graph; where it cannot be followed, the one that the saving node wrote beside it."""
    stated = a1111.read(texts) if graph.prompt is None else None
    wrong = stated is None or not stated.prompt or stated.prompt == stated.negative
    return graph if stated is None or wrong else stated


def _chunk(texts: Texts) -> Found | None:
    """A chunk that is named `prompt` and holds plain text, as people's own scripts write it with Pillow."""
    text = texts.get("prompt", "")
    return a1111.parse_parameters(text) or a1111.words_alone(text, "a chunk named prompt")
