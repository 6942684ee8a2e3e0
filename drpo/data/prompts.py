"""Training and validation prompts, by file or by the name of a built-in list."""

from __future__ import annotations

from pathlib import Path

from drpo.shapes import world
from rankkit import UsageError

TABLES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx")
WORLD: dict[str, world.Split] = {"shapes": "train", "shapes-tuning": "tuning", "shapes-final": "final"}


def prompts(name: str) -> list[str]:
    """The lines of a prompt file, empty ones left out;
    ``shapes``, ``shapes-tuning`` and ``shapes-final`` are built in.
    """
    if name in WORLD:
        return world.prompts(WORLD[name])
    path = Path(name)
    if not path.exists() or path.is_dir():  # a pipe is as good as a file
        raise UsageError(f"there is no prompt file {name!r}; give a text file with one prompt per line")
    if path.suffix.lower() in TABLES:  # its lines would be read as prompts, header, commas and all
        raise UsageError(
            f"{name!r} is a table, and training reads a text file with one prompt per line; write its column "
            f"of prompts into a .txt file"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"the prompt file {name!r} is not UTF-8 ({error}); save it as UTF-8") from None
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        raise UsageError(f"the prompt file {name!r} is empty; it holds one prompt per line")
    return lines
