"""What the models cost on a GPU: `python -m benchmarks.gpu score | train | drift`, rows of
`results/gpu.jsonl`.

Weights are drawn at random in the published architectures, at full size: the figures say how long and how
much memory, and nothing of quality. `score`: images per second of the learned rankers, from PIL images to
numbers. `train`: seconds and memory of the trainer's own update, by phase. `drift`: the loss with its
gradient, where the points are many.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gc
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from PIL import Image

from benchmarks.drift_memory import DIMENSIONS, SIZES, drawn, work
from benchmarks.parity import case
from benchmarks.record import record
from drpo.anchors import RankedAnchors
from drpo.drift import Field
from drpo.features.latent_mae import LatentMae
from drpo.features.teacher_unet import TeacherUNet
from drpo.features.vit_mae import VitMae
from drpo.recipes import recipe
from drpo.train import PHASES, Trainer
from drpo.types import Prompt
from rankkit import Group, Ranker

PROMPT = "a red fox jumps over nine lazy dogs by the river, oil painting, golden hour"
ROUNDS = 5
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
    "clip": clip, "pickscore": pickscore, "imagereward": imagereward, "hpsv2": hpsv2, "hpsv3": hpsv3,
}  # fmt: skip
HALF = {"hpsv3": ("bfloat16",)}  # its own dtype; 32 bits would be another model's speed


@contextlib.contextmanager
def loaded(name: str, **more: Any) -> Iterator[Ranker]:
    """The ranker at its published size with drawn weights."""
    with tempfile.TemporaryDirectory(prefix="rankkit-gpu-") as place:
        yield case(name).build(**RANKERS[name](Path(place)), **more)
    torch.cuda.empty_cache()


def images(count: int, side: int) -> tuple[Image.Image, ...]:
    """Smooth random images."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, 16, 16, 3), np.uint8)
    return tuple(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC) for one in small)


def score(name: str, count: int = 128, side: int = 512) -> dict[str, Any]:
    """Images per second of `rank` on one group, median of `ROUNDS` after a first; peak memory of the GPU,
    weights included.
    """
    group, rows = Group(PROMPT, images(count, side)), []
    for dtype in HALF.get(name, ("float32", "bfloat16")):
        gc.collect()
        torch.cuda.reset_peak_memory_stats()
        with loaded(name, dtype=dtype) as ranker:
            seconds = repeated(partial(ranker.rank, [group]))
            (ranking,) = ranker.rank([group])
        del ranker
        assert all(map(math.isfinite, ranking.scores)), (name, dtype, ranking)
        rates = sorted(count / each for each in seconds)
        rows.append({
            "ranker": name, "dtype": dtype, "pictures per second": round(statistics.median(rates), 1),
            "least": round(rates[0], 1), "most": round(rates[-1], 1), "n": len(rates), "peak MiB": peak(),
        })  # fmt: skip
        print(json.dumps(rows[-1]), flush=True)
    return {"pictures": count, "side": side, "rows": rows}


CELLS = {
    "sd_turbo": ("latent_mae", "pickscore"),
    "hpsv3": ("latent_mae", "hpsv3"),
    "sdxl_turbo_mae": ("vit_mae", "pickscore"),
    "sdxl_turbo_unet": ("teacher_unet", "pickscore"),
}


def train(name: str, prompts: int = 2, updates: int = 3) -> dict[str, Any]:
    """Seconds per prompt of the trainer's update in a recipe's settings, by phase, bf16, mean of `updates`
    after a first one.
    """
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    import full_size
    from transformers import ViTMAEConfig, ViTMAEModel

    features, judge = CELLS[name]
    config = dataclasses.replace(recipe(name), prompts_per_step=prompts, prompts="", ranker=judge)
    torch.manual_seed(0)
    gc.collect()
    torch.cuda.reset_peak_memory_stats()
    generator = full_size.generator(
        config.generator.removesuffix("_turbo"), "cuda", torch.bfloat16, checkpointing=True
    )
    maps: dict[str, Callable[[], Any]] = {
        "latent_mae": lambda: LatentMae().requires_grad_(False).eval(),
        "vit_mae": lambda: VitMae(ViTMAEModel(ViTMAEConfig())),
        "teacher_unet": lambda: TeacherUNet(generator),
    }
    with loaded(judge) as ranker:
        source = RankedAnchors(ranker, config, [Prompt(PROMPT), Prompt("a cat")])
        trainer = Trainer(config, generator, maps[features](), source)
        trainer.step()
        started = time.perf_counter()
        logged = [trainer.step() for _ in range(updates)]
        seconds = (time.perf_counter() - started) / updates / prompts
    assert all(math.isfinite(row["loss"]) and row["skipped"] == 0 for row in logged), logged
    row = {
        "recipe": name,
        "features": features,
        "ranker": judge,
        "candidates": config.group_size,
        ("seconds per prompt"): round(seconds, 3),
        "phases": {
            phase: round(statistics.mean(row[f"s_{phase}"] for row in logged) / prompts, 3)
            for phase in PHASES
        },
        "seconds per step of 8 prompts": round(8 * seconds, 1),
        "peak MiB": peak(),
        "updates": updates,
    }
    print(json.dumps(row), flush=True)
    return {"rows": [row]}


def drift(field: Field) -> dict[str, Any]:
    """Milliseconds and mebibytes beyond the inputs of the loss with its gradient, as
    `benchmarks.drift_memory` has it on a CPU.
    """
    rows: list[dict[str, Any]] = []
    for points in SIZES:
        sets = drawn(points, "cuda")
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        times = [1000 * each for each in repeated(partial(work, sets, field))]
        rows.append(
            {
                "field": field,
                "points": points,
                "ms": round(statistics.median(times), 1),
                "least": round(min(times), 1),
                "most": round(max(times), 1),
                ("peak MiB beyond"): round((torch.cuda.max_memory_allocated() - before) / 2**20),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return {"dimensions": DIMENSIONS, "rows": rows}


def repeated(work: Callable[[], object]) -> list[float]:
    """Seconds of `ROUNDS` calls, after one that is not counted; the device has finished whenever the clock is
    read.
    """
    work()
    seconds = []
    for _ in range(ROUNDS):
        torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return seconds


def peak() -> int:
    """Mebibytes of the GPU at most in use since the last reset."""
    return round(torch.cuda.max_memory_allocated() / 2**20)


MEASURES: dict[str, tuple[Callable[[Any], dict[str, Any]], Collection[str]]] = {
    "score": (score, RANKERS), "train": (train, CELLS), "drift": (drift, get_args(Field))
}  # fmt: skip


def measured(measure: Callable[[Any], dict[str, Any]], name: str) -> dict[str, Any]:
    """What one measurement found, and on which card."""
    return {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, **measure(name)}


def main() -> int:
    """Measure, a row per ranker, recipe or field as soon as it is there."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=MEASURES)
    parser.add_argument("names", nargs="*", help="rankers, recipes, or fields; all if none is named")
    given = parser.parse_args()
    measure, known = MEASURES[given.what]
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"{given.what} does not know {', '.join(unknown)}")
    if not torch.cuda.is_available():
        print("torch sees no GPU here; this measures nothing else", file=sys.stderr)
        return 1
    for name in given.names or known:
        record(
            "gpu",
            f"gpu-{given.what}",
            f"python -m benchmarks.gpu {given.what} {name}",
            partial(measured, measure, name),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
