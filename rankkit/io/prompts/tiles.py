"""Names of images in a grid: one file holds several, ``sheet.png#2x2-1`` is the first of four."""

from __future__ import annotations

import re

TILE = re.compile(r"(.+)#(\d+)x(\d+)-(\d+)")

Tile = tuple[int, int, int]  # number, counted along the rows from 0, columns and rows of the grid


def tile_in(name: str) -> Tile | None:
    """Which image of a grid a name means."""
    found = TILE.fullmatch(name)
    return (int(found[4]) - 1, int(found[2]), int(found[3])) if found else None


def tile_name(name: str, tile: Tile) -> str:
    """What rows call one image of a grid: ``sheet.png#2x2-1`` is the first of two columns and two rows."""
    number, columns, rows = tile
    return f"{name}#{columns}x{rows}-{number + 1}"


def file_of(name: str) -> str:
    """The name of the file that holds the grid of which an image is one."""
    found = TILE.fullmatch(name)
    return found[1] if found else name
