"""The learned rankers at their published sizes, with weights drawn at random."""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.measure import forget
from benchmarks.parity import case
from rankkit import Ranker

Options = dict[str, Any]


def clip_config(text: int, vision: int, layers: int, depth: int, joint: int, activation: str) -> Any:
    """A CLIP of patches of 14 on 224 pixels; heads of 64 in both towers but OpenCLIP's ViT-H, whose image
    heads are 80 wide.
    """
    from transformers import CLIPConfig

    shared: Options = {"hidden_act": activation, "projection_dim": joint}
    towers: tuple[Options, Options] = (
        {
            "hidden_size": text,
            "intermediate_size": 4 * text,
            "num_hidden_layers": layers,
            "num_attention_heads": text // 64,
        },
        {
            "hidden_size": vision,
            "intermediate_size": 4 * vision,
            "num_hidden_layers": depth,
            "num_attention_heads": 16,
        },
    )
    seen = {"image_size": 224, "patch_size": 14}
    return CLIPConfig(
        text_config=shared | towers[0], vision_config=shared | towers[1] | seen, projection_dim=joint
    )


def clip(folder: Path) -> Options:
    """ViT-L/14."""
    from rankkit_torch.testing import clip_folder

    return {"checkpoint": str(clip_folder(folder, clip_config(768, 1024, 12, 24, 768, "quick_gelu")))}


def pickscore(folder: Path) -> Options:
    """ViT-H/14."""
    from rankkit_torch.testing import clip_folder

    return {"checkpoint": str(clip_folder(folder, clip_config(1024, 1280, 24, 32, 1024, "gelu")))}


def aesthetic(folder: Path) -> Options:
    """ViT-L/14 with the published head."""
    from rankkit_torch import draw
    from rankkit_torch.testing import clip_folder

    sizes, places = (768, 1024, 128, 64, 16, 1), case("aesthetic").PLACES
    shapes: dict[str, tuple[int, ...]] = {}
    for place, a, b in zip(places, sizes, sizes[1:], strict=False):
        shapes |= {f"layers.{place}.weight": (b, a), f"layers.{place}.bias": (b,)}
    torch.save(draw(shapes, gain=2.0), folder / "head.pth")
    tower = clip_folder(folder / "clip", clip_config(768, 1024, 12, 24, 768, "quick_gelu"))
    return {"checkpoint": str(folder / "head.pth"), "clip": str(tower)}


def hpsv2(folder: Path) -> Options:
    """ViT-H/14 of open_clip."""
    made: Options = case("hpsv2").full(folder)
    return made


def imagereward(folder: Path) -> Options:
    """BLIP with ViT-L/16."""
    made: Options = case("imagereward").full(folder)
    return made


def hpsv3(folder: Path) -> Options:
    """Qwen2-VL-7B with HPSv3's head; the tokenizer of the tests, which writes the question in about as many
    tokens as Qwen's.
    """
    from safetensors.torch import save_file
    from transformers import Qwen2VLConfig

    tiny = case("hpsv3")
    words, base = tiny.tokenizer(), folder / "base"
    words.save_pretrained(base)
    text: Options = {
        "hidden_size": 3584,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
    }
    text |= {"intermediate_size": 18944, "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}}
    vision: Options = {
        "depth": 32,
        "embed_dim": 1280,
        "hidden_size": 3584,
        "num_heads": 16,
        "mlp_ratio": 4,
        "in_chans": 3,
    }
    vision |= {"patch_size": 14}
    (base / "config.json").write_text(
        json.dumps(tiny.configuration(words) | text | {"vision_config": vision})
    )
    (base / "preprocessor_config.json").write_text(json.dumps(tiny.PROCESSOR))
    shapes = tiny.network_shapes(Qwen2VLConfig.from_pretrained(base), 151_658)
    shapes["lm_head.weight"] = (1, 3584)  # not read
    state = {}
    for name, shape in shapes.items():
        scale = 1 / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 0.1
        drawn = torch.randn(shape, device="cuda", dtype=torch.bfloat16) * scale
        state[name] = (drawn + 1 if len(shape) == 1 and name.endswith("weight") else drawn).cpu()
    save_file(state, folder / "HPSv3.safetensors")
    return {"checkpoint": str(folder / "HPSv3.safetensors"), "base": str(base)}


RANKERS: dict[str, Callable[[Path], Options]] = {
    "clip": clip, "pickscore": pickscore, "aesthetic": aesthetic, "imagereward": imagereward,
    "hpsv2": hpsv2, "hpsv3": hpsv3,
}  # fmt: skip

HALF = {"hpsv3": ("bfloat16",)}  # its own dtype; 32 bits would be another model's speed


@contextlib.contextmanager
def loaded(name: str, *, tiny: bool = False, **more: Any) -> Iterator[Ranker]:
    """The ranker at its published size, or in small, with drawn weights."""
    with tempfile.TemporaryDirectory(prefix="rankkit-gpu-") as place:
        tests = case(name)
        yield tests.build(**(tests.checkpoint if tiny else RANKERS[name])(Path(place)), **more)
    forget()
