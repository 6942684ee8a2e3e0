"""Updates of the real trainer on tiny pipelines, with every feature map."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tiny_pipelines
import torch
from lora_pipelines import LOADERS
from toy_generator import ranked_trainer
from transformers import Dinov2Config, Dinov2Model, ViTMAEConfig, ViTMAEModel

from drpo.config import Config
from drpo.features.dinov2 import DinoV2
from drpo.features.latent import Latent
from drpo.features.latent_mae import LatentMae
from drpo.features.teacher_unet import TeacherUNet
from drpo.features.vit_mae import VitMae
from drpo.generators.one_step import OneStep
from drpo.train import Trainer
from drpo.types import FeatureMap
from rankkit import Group, Ranking

K = 6
SETTINGS = Config(
    generator="tiny",
    ranker="red",
    prompts="two",
    steps=2,
    prompts_per_step=1,
    group_size=K,
    anchors=2,
    features="any",
)
TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
MAPS: dict[str, Callable[[OneStep], FeatureMap]] = {
    "latent": lambda generator: Latent(),
    "latent_mae": lambda generator: LatentMae(4, base=8, layers=(1, 1)),
    "teacher_unet": lambda generator: TeacherUNet(generator, blocks=("mid_block",), pool=2),
    "vit_mae": lambda generator: VitMae(
        ViTMAEModel(ViTMAEConfig(image_size=16, patch_size=8, **TINY)), layer=2
    ),
    "dinov2": lambda generator: DinoV2(
        Dinov2Model(Dinov2Config(image_size=28, patch_size=14, **TINY)), layer=2, size=28
    ),
}


class Red:
    """Scores the mean of the red channel; counts the images it is shown."""

    seen = 0

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        self.seen += sum(len(group.images) for group in groups)
        return [
            Ranking(tuple(image.resize((1, 1)).getpixel((0, 0))[0] for image in group.images))
            for group in groups
        ]  # type: ignore[index]


def trainer(generator: OneStep, features: FeatureMap, ranker: Red, **changes: Any) -> Trainer:
    torch.manual_seed(0)
    return ranked_trainer(
        dataclasses.replace(SETTINGS, **changes), generator, features, ranker, ["a cat", "a dog"]
    )


def half_precision_goes_where_float32_goes(family: str, features: str, tmp_path: Path, device: str) -> None:
    folder, moves = getattr(tiny_pipelines, family)(tmp_path), {}
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        torch.manual_seed(0)
        generator = LOADERS[family](str(folder), rank=4, device=device, dtype=dtype, checkpointing=True)
        made = trainer(
            generator,
            MAPS[features](generator),
            Red(),
            precision="fp16" if dtype == torch.float16 else "auto",
        )
        before = [weight.detach().clone() for weight in generator.parameters().values()]
        rows = [made.step() for _ in range(2)]
        after = list(generator.parameters().values())
        assert all(weight.dtype == torch.float32 and weight.isfinite().all() for weight in after)
        assert generator.pipe.unet.dtype == dtype and all(
            row["skipped"] == 0 and row["gradient"] > 0 for row in rows
        )
        moves[dtype] = torch.cat([(new - old).flatten() for new, old in zip(after, before, strict=True)])
    for half in (torch.bfloat16, torch.float16):
        assert torch.cosine_similarity(moves[half], moves[torch.float32], dim=0) > 0.5
        assert moves[half].abs().max() < 1e-3 and (moves[half] != 0).float().mean() > 0.9
