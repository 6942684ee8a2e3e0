"""A model card and its folder: the script in it runs, every key of the LoRA is known elsewhere, and
nothing of this machine is in it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import tiny_flows
import tiny_pipelines
import torch
from lora_pipelines import PROMPT
from PIL import Image
from safetensors.torch import load_file
from trained_runs import REPO, trained
from typer.testing import CliRunner

from drpo.cli import app
from drpo.config import Config
from drpo.recipes import recipe
from drpo.report.push import write
from rankkit import RankkitError, UsageError

UNET = "ByteDance/Hyper-SD/Hyper-SDXL-1step-Unet.safetensors"


@pytest.mark.parametrize(
    ("name", "base", "changes"),
    [
        ("shapes", None, {}),
        ("sd_turbo", tiny_pipelines.sd, {"inference_steps": 2}),
        ("sdxl_hyper", tiny_pipelines.sdxl, {}),
        ("z_image_turbo", tiny_flows.z_image, {"inference_steps": 2, "image_size": 16}),
        ("flux2_klein", tiny_flows.flux2_klein, {"inference_steps": 2, "image_size": 16}),
    ],
)
def test_the_script_in_the_card_samples_the_trained_model(
    name: str, base: Any, changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _, folder = trained(tmp_path, name, base, **changes)
    out = write(run, REPO, tmp_path / "out")
    found = re.search(r"```python\n(.*?)```", (out / "README.md").read_text("utf-8"), re.DOTALL)
    assert found and len(found[1].splitlines()) <= 18
    here = found[1].replace(REPO, str(out))
    if base:
        (model,) = re.findall(r'from_pretrained\("(.*?)"', here)
        here = here.replace(model, str(folder))
    here = re.sub(r'hf_hub_download\("ByteDance/.*?"\)', repr(str(tmp_path / "unet.safetensors")), here)
    monkeypatch.chdir(tmp_path)
    images = []
    for text in (here, re.sub(r"pipe\.load_lora_weights\(.*\)", "", here)):
        torch.manual_seed(0)
        exec(text, {})
        images.append(Image.open("image.png").copy())
    assert images[0].size == images[1].size and images[0].tobytes() != images[1].tobytes()


@pytest.mark.parametrize(
    ("name", "base"), [("sd_turbo", tiny_pipelines.sd), ("sdxl_turbo_mae", tiny_pipelines.sdxl)]
)
def test_every_key_is_one_that_comfyui_and_forge_read_and_the_images_are_the_same(
    name: str, base: Any, tmp_path: Path
) -> None:
    run, generator, folder = trained(tmp_path, name, base)
    out = write(run, REPO, tmp_path / "out")
    saved = load_file(out / "comfyui.safetensors")
    layers = {key.split(".lora_")[0] for key in generator.parameters()}
    # their tables: lora_unet_ and the diffusers name of an attention layer, with _ for every dot
    known = r".*\.transformer_blocks\.\d+\.attn[12]\.(to_q|to_k|to_v|to_out\.0)"
    assert all(re.fullmatch(known, layer) for layer in layers)
    stems = {f"lora_unet_{layer.replace('.', '_')}" for layer in layers}
    ends = ("lora_up.weight", "lora_down.weight", "alpha")
    assert set(saved) == {f"{stem}.{end}" for stem in stems for end in ends}
    assert all(saved[f"{stem}.alpha"] == saved[f"{stem}.lora_down.weight"].shape[0] == 4 for stem in stems)
    images, noise = [], generator.noise(1, 0)
    for file in ("comfyui.safetensors", "pytorch_lora_weights.safetensors"):
        pipe = type(generator.pipe).from_pretrained(folder)
        pipe.load_lora_weights(str(out), weight_name=file)
        call: dict[str, Any] = {"num_inference_steps": 1, "guidance_scale": 0.0, "output_type": "latent"}
        images.append(pipe(PROMPT, latents=noise, **call).images)
    torch.testing.assert_close(images[0], images[1])


@pytest.mark.parametrize(
    ("name", "base", "known"),
    [  # ComfyUI's tables: transformer. and the diffusers name of a layer that they map
        ("z_image_turbo", tiny_flows.z_image, r"(layers|\w+_refiner)\.\d+\.attention\.(to_[qkv]|to_out\.0)"),
        (
            "flux2_klein",
            tiny_flows.flux2_klein,
            r"transformer_blocks\.\d+\.attn\.(to_[qkv]|to_out\.0)"
            r"|single_transformer_blocks\.\d+\.attn\.(to_qkv_mlp_proj|to_out)",
        ),
    ],
)
def test_comfyui_knows_every_key_of_a_transformers_lora(
    name: str, base: Any, known: str, tmp_path: Path
) -> None:
    run, _, _ = trained(tmp_path, name, base, image_size=16)
    out = write(run, REPO, tmp_path / "out")
    assert all(
        re.fullmatch(rf"transformer\.({known})\.lora_[AB]\.weight", key)
        for key in load_file(out / "pytorch_lora_weights.safetensors")
    )
    text = (out / "README.md").read_text("utf-8")
    assert "ComfyUI knows the names in `pytorch_lora_weights.safetensors`" in text
    assert not (out / "comfyui.safetensors").exists()


def test_the_card_says_what_was_trained_on_what_and_what_it_gained(tmp_path: Path) -> None:
    run, _, _ = trained(tmp_path, "sd_turbo", tiny_pipelines.sd)
    out = write(run, REPO, tmp_path / "out")
    text = (out / "README.md").read_text("utf-8")
    assert text.startswith("---\nlibrary_name: diffusers\npipeline_tag: text-to-image\nlicense: other\n")
    assert "base_model:\n- stabilityai/sd-turbo\n" in text and "the ranker `pickscore`" in text
    assert "| target/pickscore | 20.000 | 21.500 |" in text and "| `learning_rate` | `0.0001` |" in text
    assert {path.name for path in out.iterdir()} == {
        "README.md", "before-and-after.png", "comfyui.safetensors", "pytorch_lora_weights.safetensors",
        "reward.svg",
    }  # fmt: skip
    assert (out / "reward.svg").read_text("utf-8").startswith('<svg xmlns="http://www.w3.org/2000/svg" ')
    for name in ("before-and-after.png", "reward.svg", "comfyui.safetensors"):
        assert name in text


def test_nothing_of_this_machine_is_in_the_card(tmp_path: Path) -> None:
    run, _, _ = trained(
        tmp_path, "sd_turbo", tiny_pipelines.sd, prompts="/home/anna/secret/prompts.txt",
        ranker="pickscore:checkpoint=/mnt/data/pick", held_out=("http://gpu7:8085", "~/mine/taste"),
        features_model="../weights/mae.safetensors",
    )  # fmt: skip
    text = (write(run, REPO, tmp_path / "out") / "README.md").read_text("utf-8")
    for secret in ("/home", "secret", "/mnt", "gpu7", "mine/", "../", str(tmp_path)):
        assert secret not in text
    for kept in ("prompts.txt", "pickscore:checkpoint=pick", "http://…", "taste", "mae.safetensors"):
        assert kept in text


def test_a_base_that_is_a_folder_here_and_a_licence_that_is_not_known_are_asked_for(tmp_path: Path) -> None:
    run, _, folder = trained(tmp_path, "sd_turbo", tiny_pipelines.sd)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"model": str(folder)}))
    with pytest.raises(UsageError, match=r"is a folder here, .* say by --base owner/name"):
        write(run, REPO, tmp_path / "out")
    with pytest.raises(UsageError, match=r"the licence of anna/base is not known here.* give --licence"):
        write(run, REPO, tmp_path / "out", base_model="anna/base")
    assert not (tmp_path / "out").exists()
    out = write(run, REPO, tmp_path / "out", base_model="anna/base", licence_id="cc0-1.0")
    assert "license: cc0-1.0\nbase_model:\n- anna/base\n" in (out / "README.md").read_text("utf-8")


def test_mistakes_are_one_line_each(tmp_path: Path) -> None:
    run, _, _ = trained(tmp_path, "sd_turbo", tiny_pipelines.sd)
    with pytest.raises(UsageError, match=r"a repository of the hub is named owner/name"):
        write(run, "model", tmp_path / "out")
    with pytest.raises(UsageError, match=r"is no empty folder; give another --dry-run"):
        write(run, REPO, run)
    (run / "pytorch_lora_weights.safetensors").unlink()
    with pytest.raises(RankkitError, match=r"has no pytorch_lora_weights.safetensors yet"):
        write(run, REPO, tmp_path / "out")
    with pytest.raises(RankkitError, match=r"is not a run folder"):
        write(tmp_path / "nowhere", REPO, tmp_path / "out")


def test_the_command_writes_the_folder_and_prints_it(tmp_path: Path) -> None:
    run, _, _ = trained(tmp_path, "shapes", None)
    asked = ["push", str(run), REPO, "--dry-run", str(tmp_path / "out")]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0 and result.stdout.strip() == str(tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "license: apache-2.0" in text and "from drpo.generators.shapes import WEIGHTS" in text


def test_every_recipe_that_names_its_models_has_a_script_and_a_licence(tmp_path: Path) -> None:
    from drpo.recipes import recipes
    from drpo.report.card import licence
    from drpo.report.script import base, script

    for name in recipes():
        config: Config = recipe(name)
        model = base(config)
        compile(script(config, REPO, model), name, "exec")
        assert licence(config, model)
