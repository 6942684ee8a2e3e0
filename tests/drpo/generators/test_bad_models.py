"""A model that is of another family, overflows or is not distilled is named before a run learns from it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tiny_flows
import tiny_pipelines
import torch
from diffusers import UNet2DConditionModel
from huggingface_hub.errors import GatedRepoError
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from toy_generator import SETTINGS, Scorer, ToyGenerator, monitor, ranked_trainer

from drpo import hub
from drpo.features.latent import Latent
from drpo.generators import flux2_klein, sd_turbo, sdxl_one_step, sdxl_turbo, z_image_turbo
from drpo.generators._first_images import check_first_images, neighbours
from drpo.run.run import run
from drpo.types import Sample
from rankkit import RankkitError, UsageError

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").rglob("*.jpg"))


def shown(pixels: Tensor, latents: Tensor | None = None) -> Sample:
    return Sample("a cat", torch.zeros(1) if latents is None else latents, lambda _: pixels)


def noise(seed: int = 0) -> Tensor:
    return torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_a_pipeline_of_another_family_is_said_with_the_generator_that_is_for_it(tmp_path: Path) -> None:
    sd, z_image = tiny_pipelines.sd(tmp_path / "sd"), tiny_flows.z_image(tmp_path / "z")
    with pytest.raises(
        RankkitError, match=r"sd' is a StableDiffusionPipeline, not a ZImagePipeline; generator=sd_turbo"
    ):
        z_image_turbo.load(str(sd))
    with pytest.raises(
        RankkitError, match=r"is a ZImagePipeline, not a StableDiffusionPipeline; generator=z_image_turbo"
    ):
        sd_turbo.load(str(z_image))
    with pytest.raises(RankkitError, match=r"is a ZImagePipeline, not a Flux2KleinPipeline"):
        flux2_klein.load(str(z_image))


@pytest.mark.parametrize("load", [sdxl_turbo.load, sdxl_one_step.load])
def test_stable_diffusion_and_its_xl_are_told_apart_before_weights_are_read(
    load: Any, tmp_path: Path
) -> None:
    sd, xl = tiny_pipelines.sd(tmp_path / "sd"), tiny_pipelines.sdxl(tmp_path / "xl")
    for weights in tmp_path.rglob("*.safetensors"):
        weights.unlink()
    with pytest.raises(
        RankkitError,
        match=r"sd' is a StableDiffusionPipeline, not a StableDiffusionXLPipeline; generator=sd_t",
    ):
        load(str(sd))
    with pytest.raises(
        RankkitError, match=r"is a StableDiffusionXLPipeline, not a StableDiffusionPipeline; generator=sdxl_t"
    ):
        sd_turbo.load(str(xl))


def test_a_u_net_of_another_family_under_an_sdxl_pipeline_is_said(tmp_path: Path) -> None:
    sd, xl = tiny_pipelines.sd(tmp_path / "sd"), tiny_pipelines.sdxl(tmp_path / "xl")
    with pytest.raises(
        RankkitError, match=r"takes added conditions None, not 'text_time'.*generator=sd_turbo for Stable"
    ):
        sdxl_one_step.load(str(xl), unet=str(sd / "unet"))


def changed(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("text_encoder_2", "has no text_encoder_2, without which it makes no image"),
        ("tokenizer", "has no tokenizer, without which"),
        ("unet", r"has no unet \(\[None, None\]\); give model= a complete StableDiffusionXLPipeline"),
        ("scheduler", "scheduler"),
    ],
)
def test_a_pipeline_that_lacks_a_part_is_said_to(part: str, words: str, tmp_path: Path) -> None:
    folder = tiny_pipelines.sdxl(tmp_path / "xl")
    changed(folder / "model_index.json", **{part: [None, None]})
    with pytest.raises(RankkitError, match=words):
        sdxl_turbo.load(str(folder))


def test_an_index_that_is_no_object_is_one_message(tmp_path: Path) -> None:
    folder = tiny_pipelines.sd(tmp_path / "sd")
    (folder / "model_index.json").write_text("[]")
    with pytest.raises(RankkitError, match=r"model_index\.json is no object"):
        sd_turbo.load(str(folder))


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("tokenizer", "knows 2 tokens and no words"),
        ("tokenizer/tokenizer.json", "knows 2 tokens and no words"),
        ("tokenizer/tokenizer_config.json", "says no greatest length"),
    ],
)
def test_a_tokenizer_without_its_words_is_refused(gone: str, words: str, tmp_path: Path) -> None:
    folder = tiny_pipelines.sd(tmp_path / "sd")
    shutil.rmtree(folder / gone) if (folder / gone).is_dir() else (folder / gone).unlink()
    with pytest.raises(RankkitError, match=rf"the tokenizer of .* {words}.*download the folder tokenizer/"):
        sd_turbo.load(str(folder))


def test_a_u_net_that_takes_an_image_beside_the_noise_is_refused(tmp_path: Path) -> None:
    folder = tiny_pipelines.sd(tmp_path / "sd")
    shape = UNet2DConditionModel.load_config(folder / "unet")
    UNet2DConditionModel.from_config(shape | {"in_channels": 9}).save_pretrained(folder / "unet")
    with pytest.raises(RankkitError, match=r"takes 9 channels, and its autoencoder makes 4: .*inpainting"):
        sd_turbo.load(str(folder))


@pytest.mark.parametrize("scheduler", ["PNDMScheduler", "FlowMatchEulerDiscreteScheduler"])
def test_a_scheduler_that_makes_no_image_in_one_step_is_named(scheduler: str, tmp_path: Path) -> None:
    folder = tiny_pipelines.sd(tmp_path / "sd")
    changed(folder / "model_index.json", scheduler=["diffusers", scheduler])
    changed(folder / "scheduler" / "scheduler_config.json", _class_name=scheduler)
    with pytest.raises(RankkitError, match=rf"the {scheduler} of .* makes no image in inference_steps=1"):
        sd_turbo.load(str(folder))


def test_a_prediction_that_a_scheduler_does_not_know_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    folder = tiny_pipelines.sd(tmp_path / "sd")
    changed(folder / "scheduler" / "scheduler_config.json", prediction_type="odd")
    with pytest.raises(
        RankkitError, match=r"makes no image in inference_steps=1: prediction_type given as odd"
    ):
        sd_turbo.load(str(folder))


@pytest.mark.parametrize("side", [[8, 12], None, 0, 1, "8"])
def test_a_u_net_whose_config_says_no_side_is_refused(side: Any, tmp_path: Path) -> None:
    folder = tiny_pipelines.sd(tmp_path / "sd")
    changed(folder / "unet" / "config.json", sample_size=side)
    with pytest.raises(RankkitError, match=r"has sample_size=.* in its config\.json; .*64 for images of 512"):
        sd_turbo.load(str(folder))


def test_a_rank_beyond_every_layer_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"lora_rank=100000 is more than the widest layer has, which is \d+"):
        sd_turbo.load(str(tiny_pipelines.sd(tmp_path / "sd")), rank=100000)


def test_more_steps_than_a_model_has_timesteps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"inference_steps=2000: .*trained on 1000 timesteps"):
        sd_turbo.load(str(tiny_pipelines.sd(tmp_path / "sd")), inference_steps=2000)


def test_an_autoencoder_that_overflows_is_named_with_the_way_out() -> None:
    broken = torch.full((2, 3, 16, 16), torch.nan)
    with pytest.raises(
        RankkitError, match=r"autoencoder overflows in precision=fp16.*precision=bf16.*fp16-fix"
    ):
        check_first_images([shown(broken)], "fp16")
    with pytest.raises(RankkitError, match=r"the network gives no finite numbers in precision=fp16"):
        check_first_images([shown(broken, torch.tensor([torch.nan]))], "fp16")
    assert check_first_images([shown(broken), shown(torch.zeros(1, 3, 16, 16))], "fp16") == ""


def test_noise_is_noticed_and_photographs_drawings_and_flat_images_are_not() -> None:
    assert "look like noise" in check_first_images([shown(noise())], "fp32")
    smoothed = torch.nn.functional.interpolate(noise()[..., ::8, ::8], size=(256, 256), mode="bilinear")
    assert "look like noise" in check_first_images([shown(smoothed)], "fp32")
    for path in EXAMPLES:
        found = neighbours(Image.open(path).convert("RGB"))
        assert found is not None and found > 0.8, path.name
    assert (
        neighbours(Image.new("RGB", (64, 64), "red")) is None and neighbours(Image.new("RGB", (8, 8))) is None
    )
    assert check_first_images([], "fp32") == ""


class Broken(ToyGenerator):
    """Its decoder overflows."""

    def decode(self, latents: Tensor) -> Tensor:
        return super().decode(latents) * torch.nan


class Noisy(ToyGenerator):
    """Its images are noise."""

    def decode(self, latents: Tensor) -> Tensor:
        return noise()[:1].expand(len(latents), -1, -1, -1) + 0 * latents.mean()


def test_a_run_says_so_before_its_first_update(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def start(generator: Any, out: str) -> None:
        trainer = ranked_trainer(SETTINGS, generator, Latent(), Scorer(), ["a cat"])
        with pytest.raises(RankkitError):
            run(trainer, tmp_path / out, monitor=monitor(), watch=stop)

    def stop(row: object) -> None:
        raise RankkitError("stopped")

    start(Noisy(), "noisy")
    assert "step 0: the base's images look like noise" in capsys.readouterr().err
    with pytest.raises(RankkitError, match="the autoencoder overflows in precision=auto"):
        run(
            ranked_trainer(SETTINGS, Broken(), Latent(), Scorer(), ["a cat"]),
            tmp_path / "broken",
            monitor=monitor(),
        )
    assert not (tmp_path / "broken" / "log.jsonl").exists()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["double_blocks.0.img_attn.qkv.weight"], "a transformer of the FLUX family"),
        (["model.diffusion_model.out.2.weight", "first_stage_model.x"], "an all-in-one checkpoint"),
        (["unet.mid_block.attn.to_q.lora_A.weight"], r"a LoRA \(give it as distillation_lora=\)"),
        (
            ["mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"],
            r"a U-Net of Stable Diffusion 1 or 2",
        ),
    ],
)
def test_a_single_file_of_another_architecture_is_said_to_be_one(
    names: list[str], words: str, tmp_path: Path
) -> None:
    model = tiny_pipelines.sdxl(tmp_path / "model")
    file = tmp_path / "other.safetensors"
    save_file({name: torch.zeros(4, 768) for name in names}, file)
    with pytest.raises(RankkitError, match=rf"does not fit the U-Net of .*, because it holds {words}"):
        sdxl_one_step.load(str(model), unet=str(file))


@pytest.mark.parametrize(
    ("file", "given", "own"),
    [
        ("tianweiy/DMD2/dmd2_sdxl_1step_unet_fp16.bin", 800, 399),
        ("/models/Hyper-SDXL-1step-Unet.safetensors", 0, 800),
    ],
)
def test_a_timestep_that_is_not_the_published_files_is_refused_before_anything_is_loaded(
    file: str, given: int, own: int
) -> None:
    with pytest.raises(UsageError, match=rf"was distilled for timestep={own}.*give timestep={own}"):
        sdxl_one_step.load("/no/such/folder", unet=file, scheduler="lcm", timestep=given)


def test_a_timestep_that_the_scheduler_cannot_take_is_refused(tmp_path: Path) -> None:
    model = str(tiny_pipelines.sdxl(tmp_path))  # SDXL-Turbo's ancestral scheduler
    with pytest.raises(
        UsageError, match=r"timestep=800: .*EulerAncestralDiscreteScheduler\) takes no timesteps"
    ):
        sdxl_one_step.load(model, timestep=800)
    assert sdxl_one_step.load(model, timestep=800, scheduler="lcm").timestep == 800


def test_a_gated_repository_is_said_to_be_one_with_what_to_do() -> None:
    class Gated:
        """As diffusers: the hub's error is behind one of its own."""

        @staticmethod
        def from_pretrained(model: str, **options: object) -> None:
            request = httpx.Request("GET", f"https://huggingface.co/{model}/resolve/main/model_index.json")
            try:
                raise GatedRepoError("403 Client Error", response=httpx.Response(403, request=request))
            except GatedRepoError as error:
                raise OSError("there was a specific connection error") from error

    with pytest.raises(RankkitError, match=r"^owner/name is a gated repository.*hf auth login"):
        hub.pretrained(Gated, "owner/name", dtype=torch.float32)


def test_correlation_of_neighbours_is_that_of_numpy() -> None:
    image = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8).repeat(8, 0).repeat(8, 1)
    )
    cells = np.asarray(image, float)[::8, ::8]
    cells -= cells.mean()
    want = ((cells[:, 1:] * cells[:, :-1]).mean() + (cells[1:] * cells[:-1]).mean()) / 2 / (cells**2).mean()
    assert neighbours(image) == pytest.approx(want, abs=1e-6)
