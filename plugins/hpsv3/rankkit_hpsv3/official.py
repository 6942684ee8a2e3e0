"""The original hpsv3 package as a ranker, in an environment of its own.

It is the reference that our port is compared with.

It needs what official.txt lists, and nothing of ours but rankkit itself.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from rankkit import Pointwise, Scored
from rankkit.plugin import versions_of


class Official(Pointwise):
    """HPSv3 as its authors' package scores it (arXiv 2508.03789).

    The mean of the learned preference, mostly -5 to 15.

    `checkpoint`: the published file, else the package downloads it. `base`: a folder or hub id of Qwen2-VL
    with its weights, all of which the package replaces. `dtype`: bfloat16 on a GPU, as the authors configure
    it; on a CPU their head takes nothing else than float32.
    """

    def __init__(
        self,
        *,
        checkpoint: str = "",
        base: str = "Qwen/Qwen2-VL-7B-Instruct",
        device: str = "auto",
        dtype: Literal["auto", "float32", "bfloat16"] = "auto",
    ) -> None:
        self.torch = importlib.import_module("torch")
        if device == "auto":
            device = "cuda" if self.torch.cuda.is_available() else "cpu"
        if dtype == "auto":
            dtype = "float32" if device == "cpu" else "bfloat16"
        with contextlib.redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as folder:
            package: Any = importlib.import_module("hpsv3")
            config = _configuration(Path(package.__file__).parent, Path(folder), base, device, dtype)
            self.inferencer = package.HPSv3RewardInferencer(
                config_path=config, checkpoint_path=checkpoint or None, device=device
            )

    @classmethod
    def version(cls, **_: Any) -> str:
        """The versions of the authors' package and of transformers."""
        return versions_of("hpsv3", "transformers")

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[Scored]:
        """The package's own `reward` of each pair: the mean, and exp of the second number as stderr."""
        found = []
        for image, prompt in zip(images, prompts, strict=True):
            with self.torch.no_grad(), contextlib.redirect_stdout(sys.stderr):
                ((mean, spread, *_),) = (
                    self.inferencer.reward(image_paths=[image], prompts=[prompt]).double().tolist()
                )
            found.append(Scored(mean, math.exp(spread)))
        return found


def _configuration(package: Path, folder: Path, base: str, device: str, dtype: str) -> str:
    """The authors' configuration file with the model, the dtype and the device that are asked for."""
    yaml: Any = importlib.import_module("yaml")
    given = yaml.safe_load((package / "config" / "HPSv3_7B.yaml").read_text("utf-8"))
    given |= {"model_name_or_path": base, "torch_dtype": dtype, "bf16": dtype == "bfloat16"}
    given |= {"use_cpu": device == "cpu", "report_to": "none"}
    path = folder / "HPSv3_7B.yaml"
    path.write_text(yaml.safe_dump(given), "utf-8")
    return str(path)
