"""The original hpsv2 package as a ranker, in an environment of its own.

It is the reference that our port is compared with.

It needs what official.txt lists, and nothing of ours but rankkit itself. As published, the package lacks its
vocabulary, which official_setup.py puts into the environment, and imports turtle, which needs a screen
library: that is left empty here.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from rankkit import Pointwise
from rankkit.plugin import versions_of

REGISTRATIONS = ("torchvision._meta_registrations", "torchvision._autograd_registrations")


class Official(Pointwise):
    """HPSv2 as its authors' package scores it (arXiv 2306.09341).

    The cosine of image and prompt, mostly 0.2 to 0.35.

    `checkpoint`: the published file, else the package downloads that of `version`. `model`: the architecture,
    or the JSON file of one.
    """

    def __init__(
        self, *, version: Literal["2.0", "2.1"] = "2.1", checkpoint: str = "", model: str = "ViT-H-14"
    ) -> None:
        with contextlib.redirect_stdout(sys.stderr):
            self.package = _package()
        self.name, self.checkpoint = f"v{version}", checkpoint or None
        original = self.package.create_model_and_transforms
        if model.endswith(".json"):
            importlib.import_module("hpsv2.src.open_clip").add_model_config(Path(model))
        # the package first downloads LAION's weights, and then replaces every one of them
        self.package.create_model_and_transforms = lambda name, pretrained, **options: original(
            Path(model).stem, None, **options
        )

    @classmethod
    def version(cls, **_: Any) -> str:
        """The versions of the authors' package and of torchvision, whose resizing changed with 0.17."""
        return versions_of("hpsv2", "torchvision")

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[float]:
        """The package's own `score`, once for each run of one prompt: it reads the checkpoint every time."""
        scores: list[float] = []
        for prompt, run in itertools.groupby(zip(images, prompts, strict=True), key=lambda pair: pair[1]):
            with contextlib.redirect_stdout(sys.stderr):
                found = self.package.score(
                    [image for image, _ in run], prompt, cp=self.checkpoint, hps_version=self.name
                )
            scores += [float(score) for score in found]
        return scores


def _package() -> Any:
    sys.modules.setdefault("turtle", types.ModuleType("turtle")).__dict__.setdefault("forward", None)
    try:
        importlib.import_module("torchvision")
    except (RuntimeError, ImportError, AttributeError):
        # built for another torch: operators that are not needed here are left out
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        sys.modules.update({name: types.ModuleType(name) for name in REGISTRATIONS})
    return importlib.import_module("hpsv2.img_score")
