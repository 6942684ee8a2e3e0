"""The prompts inside the image files, as a source: the programs are asked in turn, the surest first."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from rankkit.core.images import read
from rankkit.io.prompts.base import Answer, Place, Root, Source
from rankkit.io.prompts.embedded import (
    a1111,
    drawthings,
    easydiffusion,
    fooocus,
    invokeai,
    midjourney,
    mochi,
    novelai,
    swarmui,
    tensorart,
)
from rankkit.io.prompts.embedded.container import Found, Texts, as_object, texts_in
from rankkit.io.prompts.embedded.places.chunks import EDGE, PNG
from rankkit.io.prompts.embedded.places.stealth import texts_hidden_in
from rankkit.io.prompts.syntax import plain_words
from rankkit.io.text import LOST, UNFILLED, WHY_LOST

NAME = "the prompts inside the image files"
SURE = (swarmui, fooocus, invokeai, novelai, drawthings, easydiffusion, mochi, tensorart)
PLACES = ("UserComment", "ImageDescription", "comment", "xmp")  # of texts, beside the chunks of a PNG
# Chunks that hold all that one program tells; a graph is compared with what its saving node wrote.
ALONE = (
    "parameters",
    "Comment",
    "Description",
    "invokeai_metadata",
    "sd-metadata",
    "generation_data",
    "prompt",
)


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

    None where it carries nothing that is known, and no prompt where it carries two that differ.
    """
    head, file_name = read(path, (0, EDGE)), os.path.basename(path)
    if isinstance(head, str):  # scoring it will say why
        return None
    whole, parts = list[Found](), list[Found]()
    for texts in texts_in(path, head):
        whole += filter(None, [read_texts(texts, file_name)])
        parts += filter(None, (read_texts(part, file_name) for part in _parts(texts)))
    untold = next((found for found in whole if found.prompt is None), None)
    if untold is not None or not whole:
        hidden = texts_hidden_in(path, head) if untold is None and head.startswith(PNG) else {}
        return read_texts(hidden) if hidden else untold
    told = {plain_words(found.prompt): found.prompt for found in (*whole, *parts) if found.prompt is not None}
    if len(told) > 1:
        first, second, *_ = (repr(prompt[:60]) for prompt in told.values())
        why = f"the file tells {first} and {second}, and it is not known which of them made the image"
        return Found(whole[0].program, None, why)
    return whole[0]


def _parts(texts: Texts) -> Iterator[Texts]:
    """The texts of a file that stand in different places, each place alone, where there are several."""
    parts = [{name: texts[name]} for name in PLACES if name in texts]
    rest = {name: text for name, text in texts.items() if name not in PLACES}
    if len(parts) + bool(rest) > 1:
        yield from filter(None, (rest, *parts))
    alone = [name for name in ALONE if name in rest and not (name == "prompt" and as_object(rest[name]))]
    if len(alone) > 1:
        yield from ({name: rest[name]} for name in alone)


def read_texts(texts: Texts, file_name: str = "") -> Found | None:
    """The prompt in the texts of a file: of the first program whose they are."""
    for program in SURE:
        found: Found | None = program.read(texts)
        if found is not None:
            return _filled(found)
    from rankkit.io.prompts.embedded import comfyui  # late: its patterns are many, and most runs need none

    graph = comfyui.read(texts, file_name)
    if graph is not None:
        return _stated(graph, texts)
    return _filled(midjourney.read(texts) or a1111.read(texts) or _chunk(texts))


def _filled(found: Found | None) -> Found | None:
    """What was found, unless a program wrote it that did not know the prompt."""
    if found is not None and found.prompt is not None and UNFILLED.fullmatch(found.prompt):
        return Found(
            found.program, None, f"the program that saved it wrote {found.prompt[:40]!r} for a prompt"
        )
    return found


def _stated(graph: Found, texts: Texts) -> Found:
    """The prompt of a graph; where it cannot be followed, the one that the saving node wrote beside it.

    None where the two share fewer than half of the shorter one's words.
    """
    stated = _filled(a1111.read(texts))
    if stated is None or not stated.prompt or stated.prompt == stated.negative:
        return graph
    if graph.prompt is None:
        return stated
    words, beside = (
        {*re.findall(r"[a-z0-9]+|\w", plain_words(each).lower())} for each in (graph.prompt, stated.prompt)
    )
    if len(words & beside) * 2 >= min(len(words), len(beside)):
        return graph
    why = f"its graph leads to {graph.prompt[:60]!r}, and the node that saved it wrote {stated.prompt[:60]!r}"
    return Found(graph.program, None, why)


def _chunk(texts: Texts) -> Found | None:
    """A chunk that is named `prompt` and holds plain text, as people's own scripts write it with Pillow."""
    text = texts.get("prompt", "")
    return a1111.parse_parameters(text) or a1111.words_alone(text, "a chunk named prompt")
