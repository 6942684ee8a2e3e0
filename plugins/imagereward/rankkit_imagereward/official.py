"""The original image-reward package as a ranker, in an environment of its own.

It is the reference that our port is compared with.

It needs what official.txt lists, and nothing of ours but rankkit itself.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image

from rankkit import Pointwise
from rankkit.plugin import versions_of

REGISTRATIONS = ("torchvision._meta_registrations", "torchvision._autograd_registrations")


class Official(Pointwise):
    """ImageReward as its authors' package scores it: one pair at a time, mostly -2 to 2 (arXiv 2304.05977).

    `checkpoint`: the published file, else the package downloads it. `med_config`: the configuration of its
    text tower, likewise. `tokenizer`: a folder of bert-base-uncased, else the package asks the hub for it.
    """

    def __init__(
        self,
        *,
        checkpoint: str = "ImageReward-v1.0",
        med_config: str = "",
        tokenizer: str = "",
        device: str = "auto",
    ) -> None:
        package = _package()
        if device == "auto":
            device = "cuda" if importlib.import_module("torch").cuda.is_available() else "cpu"
        with _words(tokenizer), contextlib.redirect_stdout(sys.stderr):
            self.model = package.load(checkpoint, device=device, med_config=med_config or None)

    @classmethod
    def version(cls, **_: Any) -> str:
        """The versions of the authors' package and of transformers."""
        return versions_of("image-reward", "transformers")

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[float]:
        """The package's own `score` of each pair."""
        torch = importlib.import_module("torch")
        with torch.no_grad():
            return [
                float(self.model.score(prompt, image)) for image, prompt in zip(images, prompts, strict=True)
            ]


def _package() -> Any:
    """The package, also beside a torchvision built for another torch.

    Such a torchvision registers operators that are not needed here; then they are left out.
    """
    try:
        importlib.import_module("torchvision")
    except (RuntimeError, ImportError, AttributeError):
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        sys.modules.update({name: types.ModuleType(name) for name in REGISTRATIONS})
    return importlib.import_module("ImageReward")


@contextlib.contextmanager
def _words(folder: str) -> Iterator[None]:
    """Within it, the package finds bert-base-uncased in a folder."""
    if not folder:
        yield
        return
    module: Any = importlib.import_module("ImageReward.models.BLIP.blip").BertTokenizer
    original = module.from_pretrained
    module.from_pretrained = lambda name, **options: original(folder, **options)
    try:
        yield
    finally:
        module.from_pretrained = original
