"""Training and validation prompts with their metadata, by file or by the name of a built-in list."""

from __future__ import annotations

import sys
import textwrap

from accelerate import PartialState

from drpo.shapes import world
from drpo.types import Prompt
from rankkit.plugin import line_of, read_prompts

WORLD: dict[str, world.Split] = {"shapes": "train", "shapes-tuning": "tuning", "shapes-final": "final"}
SHOWN = 2  # prompts that are shown when a file was read


def prompts(name: str) -> list[Prompt]:
    """The prompts of a text file, a table or a folder, as `rankkit.plugin.read_prompts` reads them;
    ``shapes``, ``shapes-tuning`` and ``shapes-final`` are built in.

    A line on stderr says how many were read, and shows the first.
    """
    if name in WORLD:
        return [Prompt(text) for text in world.prompts(WORLD[name])]
    read = read_prompts(name)
    first = "; ".join(_shown(text) for text, _ in read[:SHOWN])
    more, different = "; …" if len(read) > SHOWN else "", len({text for text, _ in read})
    again = f" ({different} different)" if different < len(read) else ""
    words = f"{name}: {len(read)} prompt{'s' * (len(read) > 1)}{again}: {first}{more}"
    PartialState().print("\n".join([words, *(f"{name}: {note}" for note in read.notes)]), file=sys.stderr)
    return [Prompt(text, metadata) for text, metadata in read]


def _shown(text: str) -> str:
    """The beginning of a prompt on one line, without what a terminal would obey."""
    return textwrap.shorten(line_of(text, 240), 60, placeholder="…")
