"""Run by `rankkit install hpsv2-official` inside the new environment.

Puts the vocabulary there that the hpsv2 wheel leaves out.

It is OpenAI's file of byte pairs, which clip-anytorch brings as well.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"


def main() -> None:
    """Copy the vocabulary from the package `clip` to where `hpsv2` looks for it."""
    shutil.copyfile(_folder("clip") / VOCABULARY, _folder("hpsv2") / "src" / "open_clip" / VOCABULARY)


def _folder(package: str) -> Path:
    """Where a package lies, without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ImportError(f"No module named {package!r}")
    return Path(next(iter(found.submodule_search_locations)))


if __name__ == "__main__":
    main()
