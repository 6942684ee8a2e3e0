"""What makes virtual environments and installs into them: pip, or uv. Each only says which command to run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

BIN = Path("Scripts", "python.exe") if os.name == "nt" else Path("bin", "python")


class Tool(Protocol):
    """What makes environments and installs into them: the commands to run."""

    def create(self, folder: Path, python: str) -> list[str]:
        """The command that makes an environment with this interpreter."""
        ...

    def install(self, folder: Path, arguments: Sequence[str]) -> list[str]:
        """The command that installs into it; arguments as pip takes them."""
        ...


class Pip:
    """The standard library's venv, and pip."""

    def create(self, folder: Path, python: str) -> list[str]:
        """``python -m venv``."""
        return [python, "-I", "-m", "venv", str(folder)]

    def install(self, folder: Path, arguments: Sequence[str]) -> list[str]:
        """``pip install`` of the environment itself."""
        return [
            str(folder / BIN),
            "-I",
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            *arguments,
        ]


class Uv:
    """uv, which is quicker."""

    def create(self, folder: Path, python: str) -> list[str]:
        """``uv venv``."""
        return ["uv", "venv", "--python", python, str(folder)]

    def install(self, folder: Path, arguments: Sequence[str]) -> list[str]:
        """``uv pip install``."""
        return ["uv", "pip", "install", "--python", str(folder / BIN), *arguments]
