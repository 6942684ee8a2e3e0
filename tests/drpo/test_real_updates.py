"""Whole updates of the real trainer on real, tiny pipelines: in half precision, and with every forward pass
counted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_pipelines
import torch
from toy_generator import ranked_trainer
from transformers import Dinov2Config, Dinov2Model, ViTMAEConfig, ViTMAEModel

from drpo.config import Config
from drpo.features.dinov2 import DinoV2
from drpo.features.latent import Latent
from drpo.features.latent_mae import LatentMae
from drpo.features.teacher_unet import TeacherUNet
from drpo.features.vit_mae import VitMae
from drpo.generators import sd_turbo, sdxl_turbo
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
LOADERS: dict[str, Callable[..., OneStep]] = {"sd": sd_turbo.load, "sdxl": sdxl_turbo.load}
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


class Passes(Red):
    """Passes what half of the images pass: 0 or 1."""

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        (ranking,) = super().rank(groups)
        middle = sorted(ranking.scores)[len(ranking.scores) // 2]
        return [Ranking(tuple(float(score >= middle) for score in ranking.scores))]


def trainer(generator: OneStep, features: FeatureMap, ranker: Red, **changes: Any) -> Trainer:
    torch.manual_seed(0)
    return ranked_trainer(
        dataclasses.replace(SETTINGS, **changes), generator, features, ranker, ["a cat", "a dog"]
    )


@pytest.mark.parametrize("features", ["latent_mae", "vit_mae", "teacher_unet"])
@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_an_update_in_half_precision_moves_a_float32_lora_as_one_in_float32_does(
    family: str, features: str, tmp_path: Path
) -> None:
    half_precision_goes_where_float32_goes(family, features, tmp_path, "cpu")


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


def counted(generator: OneStep, features: Any) -> dict[str, int]:
    """Rows that pass through the U-Net, the decoder, the encoder and the feature map's own network, from now
    on.
    """
    rows = {"unet": 0, "decoder": 0, "encoder": 0, "features": 0}
    parts = {
        "unet": generator.pipe.unet,
        "decoder": generator.pipe.vae.decoder,
        "encoder": generator.pipe.vae.encoder,
    }
    network = getattr(features, "model", None) or getattr(features, "encoder", None)
    for name, part in (parts | ({"features": network} if network else {})).items():

        def count(module: Any, inputs: Any, options: Any, name: str = name) -> None:
            rows[name] += len(inputs[0])

        part.register_forward_pre_hook(count, with_kwargs=True)
    return rows


# rows per prompt with K candidates: the base's K samples come on top of the K candidates, through the U-Net
# and, where the map looks
# at images, through the decoder; the ranker's images are those the map sees
ONCE = {
    "latent": {"unet": 2 * K, "decoder": K, "features": 0},
    "latent_mae": {"unet": 2 * K, "decoder": K, "features": 2 * K},
    "teacher_unet": {"unet": 4 * K, "decoder": K, "features": 0},  # its network is the U-Net
    "vit_mae": {"unet": 2 * K, "decoder": 2 * K, "features": 2 * K},
    "dinov2": {"unet": 2 * K, "decoder": 2 * K, "features": 2 * K},
}


@pytest.mark.parametrize("name", MAPS)
def test_every_candidate_is_decoded_once_and_seen_once(name: str, tmp_path: Path) -> None:
    generator = sd_turbo.load(str(tiny_pipelines.sd(tmp_path)), rank=4, checkpointing=False)
    features, ranker = MAPS[name](generator), Red()
    rows = counted(generator, features)
    trainer(generator, features, ranker).step()
    assert rows == ONCE[name] | {"encoder": 0} and ranker.seen == K


@pytest.mark.parametrize("name", MAPS)
def test_without_a_reference_nothing_of_the_base_is_made(name: str, tmp_path: Path) -> None:
    generator = sd_turbo.load(str(tiny_pipelines.sd(tmp_path)), rank=4, checkpointing=False)
    features, ranker = MAPS[name](generator), Red()
    rows = counted(generator, features)
    trainer(generator, features, ranker, reference_weight=0.0).step()
    assert (
        rows == {part: count // 2 for part, count in ONCE[name].items()} | {"encoder": 0, "decoder": K}
        and ranker.seen == K
    )


@pytest.mark.parametrize("name", ["latent_mae", "vit_mae"])
def test_a_search_decodes_what_it_judges_and_then_only_the_chosen_where_the_map_needs_images(
    name: str, tmp_path: Path
) -> None:
    generator = sd_turbo.load(str(tiny_pipelines.sd(tmp_path)), rank=4, checkpointing=False)
    features, ranker = MAPS[name](generator), Passes()
    rows = counted(generator, features)
    row = trainer(generator, features, ranker, max_rounds=3).step()
    chosen, decoded = 2 * SETTINGS.anchors, int(name == "vit_mae")
    assert row["skipped"] == 0 and ranker.seen == K
    assert rows == {
        "unet": K + 2 * chosen,
        "decoder": K + decoded * 2 * chosen,
        "encoder": 0,
        "features": 2 * chosen,
    }
