"""The other side of `benchmarks.parity --original`, run by the interpreter of an original package's
environment.

PYTHON -I benchmarks/twin.py SPEC OPTIONS.json < groups > rankings
PYTHON -I benchmarks/twin.py SPEC OPTIONS.json --files FOLDER PROMPT > JSON    every image file there

OPTIONS.json may hold `once`: methods of the package (MODULE:CLASS.METHOD) that embed an image or a prompt,
and are asked once for each.
"""

import contextlib
import importlib
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from rankkit import load_here
from rankkit.core import images
from rankkit.core.stated import needs_prompt
from rankkit.remote import wire


def main() -> None:
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a package prints goes to stderr
    options = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    # a checkpoint that is read for every prompt need not fill the memory
    with contextlib.suppress(ImportError, AttributeError):
        importlib.import_module("torch.utils.serialization").config.load.mmap = True
    methods = options.pop("once", [])
    ranker: Any = load_here(sys.argv[1], **options)
    for method in methods:
        remember(*method.split(":"))
    if sys.argv[3:4] == ["--files"]:
        folder, prompt = Path(sys.argv[4]), sys.argv[5]
        given = [[prompt]] if needs_prompt(ranker) else []
        seen = reports_of(lambda image: ranker.score([image], *given)[0], sorted(folder.iterdir()))
        out.write(json.dumps(seen).encode())
    else:
        out.write(wire.encode_rankings(list(ranker.rank(wire.decode_groups(sys.stdin.buffer.read())))))
    out.close()


def remember(module: str, method: str) -> None:
    """Let a method on one tensor answer from memory where the tensor and the other arguments are those of an
    earlier call.
    """
    owner, name = getattr(importlib.import_module(module), method.split(".")[0]), method.split(".")[1]
    ask, known = getattr(owner, name), {}

    def answer(self: Any, tensor: Any, *rest: Any, **named: Any) -> Any:
        key = (tensor.shape, tensor.numpy().tobytes(), rest, *named.items())
        if key not in known:
            known[key] = ask(self, tensor, *rest, **named)
        return known[key]

    setattr(owner, name, answer)


def reports_of(score: Callable[[Image.Image], Any], paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """What a package says of each file as Pillow opens it (`file`), and of the RGB image that rankkit makes
    of it (`rgb`).

    A score, or in words how it failed; `rgb` is null where rankkit refuses the file.
    """
    seen = {}
    for path in paths:
        decoded = images.decode(path.read_bytes()).image
        seen[path.name] = {
            "file": _attempt(lambda p=path: score(Image.open(p))),
            "rgb": decoded and _attempt(lambda d=decoded: score(d)),
        }  # type: ignore[misc]
    return seen


def _attempt(ask: Callable[[], Any]) -> float | str:
    try:
        found = ask()
        number = float(getattr(found, "score", found))
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:120]
    return number if math.isfinite(number) else "not a finite number"


if __name__ == "__main__":
    main()
