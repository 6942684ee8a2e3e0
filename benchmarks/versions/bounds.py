"""The requirements of pyproject.toml as pins: the lowest version that each allows."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
OURS = "rankkit"
TESTED = ("parquet", "serve")  # extras whose packages the core's tests use; without torch
BOUND = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w,]+\])?[^;]*?>=\s*(?P<least>[\w.]+)")


def requirements(folder: Path, extras: Sequence[str] = ()) -> list[str]:
    """What a distribution asks for, and its extras; markers stay, our own packages are left out."""
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    optional = project.get("optional-dependencies", {})
    asked = [*project["dependencies"], *(each for extra in extras for each in optional[extra])]
    return [each for each in asked if not each.startswith(OURS)]


def lowest(asked: Iterable[str]) -> list[str]:
    """Each with its least version as the only one; of several bounds of one package the highest.

    One without a bound stays as it is.
    """
    pins: dict[str, tuple[list[int], str]] = {}
    for each in asked:
        found = BOUND.match(each)
        name, least = (found["name"], found["least"]) if found else (each, "")
        marker = f"; {each.partition(';')[2].strip()}" if ";" in each else ""
        pin = f"{name}=={least}{marker}" if least else each
        pins[name.lower()] = max(
            pins.get(name.lower(), ([], "")), (list(map(int, re.findall(r"\d+", least))), pin)
        )
    return [pin for _, pin in pins.values()]


def plugins() -> list[Path]:
    """The folders of all plugins."""
    return sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
