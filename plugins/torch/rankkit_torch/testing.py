"""For the tests of plugins: images and prompts drawn by code, tiny checkpoints, a tokenizer.

Nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from rankkit import Group, Ranker, Scored
from rankkit.plugin import to_rgb
from rankkit.testing import sample_groups
from rankkit_torch.models import empty
from rankkit_torch.weights import draw

SAME_PIXEL = 0.01 / 255  # pixels that differ by less than a hundredth of a grey level are the same
LONG = " ".join(["a red fox jumps over nine lazy dogs by the river"] * 12)
PROMPTS = (
    "a red circle on white",
    "",
    "two dogs, one cat & 3 birds: 50% off!",
    "一只红色的狐狸 у реки",
    "🦊 q̈u̇ị̃c̊k̃ résumé",
    # 35, 36, 77 and 78 tokens with both marks: around the limits
    *("a " * words + "fox" for words in (32, 33, 74, 75)),
    LONG,
)
SHAPES = ((224, 224), (1, 1), (225, 224), (224, 227), (300, 97), (97, 301), (512, 512), (640, 233), (33, 640))


def sample_images(seed: int = 0) -> list[Image.Image]:
    """Sixteen images of many shapes and modes, as 8-bit RGB: the same for the same seed."""
    rng = np.random.default_rng(seed)
    drawn = [image for group in sample_groups(seed) for image in group.images[:1]]
    drawn += [Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)) for width, height in SHAPES]
    grey, clear = rng.integers(0, 256, (60, 80), np.uint8), rng.integers(0, 256, (70, 50, 4), np.uint8)
    return [to_rgb(image) for image in (*drawn, Image.fromarray(grey), Image.fromarray(clear, "RGBA"))]


def sample_files(folder: Path) -> list[Path]:
    """Image files as people have them, sorted; the same every time.

    Of every mode, turned by EXIF, tiny, narrow, and one cut off.
    """
    rng = np.random.default_rng(7)
    blocks = rng.integers(0, 256, (6, 8, 4), np.uint8).repeat(8, 0).repeat(8, 1)  # 64 x 48

    def noise(width: int, height: int) -> Image.Image:
        return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))

    rgba = Image.fromarray(blocks, "RGBA")
    rgb = rgba.convert("RGB")
    palette, turned = rgb.quantize(16), Image.Exif()
    turned[0x0112] = 6
    drawn = {
        "rgb": rgb, "rgba": rgba, "la": rgba.convert("LA"), "palette": palette, "palette-clear": palette,
        "grey": rgb.convert("L"), "grey16": Image.fromarray(blocks[..., 0].astype(np.uint16) * 257),
        "bits": rgb.convert("1"), "cmyk.tif": rgb.convert("CMYK"), "turned": rgb, "1x1": noise(1, 1),
        "1x640": noise(1, 640), "4000x300": noise(200, 15).resize((4000, 300), 0),
        "224x100": noise(224, 100), "28x14": noise(28, 14),
    }  # fmt: skip
    options: dict[str, dict[str, Any]] = {"turned": {"exif": turned}, "palette-clear": {"transparency": 3}}
    for name, image in drawn.items():
        image.save(folder / (name if "." in name else f"{name}.png"), **options.get(name, {}))
    whole = (folder / "rgb.png").read_bytes()
    (folder / "cut-off.png").write_bytes(whole[: len(whole) // 2])
    return sorted(path for path in folder.iterdir() if path.suffix in (".png", ".tif"))


def inputs_id(images: Sequence[Image.Image], prompts: Sequence[str]) -> str:
    """sha256 of images and prompts: golden scores belong to exactly these."""
    found = hashlib.sha256(json.dumps(list(prompts)).encode())
    for image in images:
        found.update(f"{image.size}".encode() + image.tobytes())
    return found.hexdigest()


def score_each(ranker: Ranker, images: Sequence[Image.Image], prompts: Sequence[str] = ()) -> list[Scored]:
    """Each image ranked with its own prompt, or with none, all in one call."""
    prompts = prompts or [""] * len(images)
    groups = [Group(prompt, (image,)) for image, prompt in zip(images, prompts, strict=True)]
    return [
        Scored(
            ranking.scores[0],
            ranking.stderr[0] if ranking.stderr else None,
            ranking.details[0] if ranking.details else {},
        )
        for ranking in ranker.rank(groups)
    ]


def as_torchvision(image: Image.Image, size: int) -> torch.Tensor:
    """What torchvision's Resize, CenterCrop, ToTensor and Normalize make of an image, for references.

    Returns (1, 3, size, size).
    """
    width, height = image.size
    long = int(size * max(width, height) / min(width, height))
    image = image.resize((size, long) if width <= height else (long, size), Image.Resampling.BICUBIC)
    left, top = (round((side - size) / 2.0) for side in image.size)
    # as late as the published transforms do it
    image = image.crop((left, top, left + size, top + size)).convert("RGB")
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div(255)
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    return ((pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None])[None]


def clip_tokenizer() -> Any:
    """CLIP's own tokenizer over a vocabulary of single bytes and a few merges: any text has tokens."""
    import transformers

    letters = list(byte_letters().values())
    merges = [("r", "e"), ("d", "o"), ("re", "d</w>"), ("f", "o"), ("fo", "x</w>"), ("do", "g")]
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges)]
    marks = ["<|startoftext|>", "<|endoftext|>"]
    make: Any = transformers.CLIPTokenizer  # its annotation of merges is wrong
    return make(
        vocab={token: place for place, token in enumerate([*tokens, *marks])},
        merges=merges,
        model_max_length=77,
    )


def tiny_clip_config(activation: str = "gelu", size: int = 28) -> Any:
    """The configuration of a CLIP of two layers and 32 features that fits `clip_tokenizer`."""
    from transformers import CLIPConfig

    tokenizer = clip_tokenizer()
    shared = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "hidden_act": activation,
    }
    marks = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.eos_token_id,
    }
    text = {**shared, **marks, "vocab_size": len(tokenizer), "max_position_embeddings": 77}
    return CLIPConfig(
        text_config=text, vision_config={**shared, "image_size": size, "patch_size": 14}, projection_dim=16
    )


def clip_folder(folder: Path, config: Any, seed: int = 0) -> Path:
    """A CLIP checkpoint in the hub's format with drawn weights.

    config.json, model.safetensors, tokenizer and image processor.
    """
    from safetensors.torch import save_file
    from transformers import CLIPImageProcessorPil, CLIPModel

    folder.mkdir(parents=True, exist_ok=True)
    with empty():
        shapes = {key: tuple(value.shape) for key, value in CLIPModel(config).state_dict().items()}
    save_file(draw(shapes, seed), folder / "model.safetensors", {"format": "pt"})
    config.save_pretrained(folder)
    size = config.vision_config.image_size
    CLIPImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}
    ).save_pretrained(folder)
    clip_tokenizer().save_pretrained(folder)
    return folder


def damage(path: Path, how: str) -> Path:
    """Damage a weights file in place.

    `how`: ``truncated``, ``pickle`` (of what is no tensor), or with a key ``missing`` or ``unexpected``.
    """
    from safetensors.torch import save_file

    from rankkit_torch.checkpoints import read

    if how == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "pickle":
        torch.save({"weights": Path("/")}, path)
    else:
        state = read(path)
        if how == "missing":
            state.pop(max(state))
        else:
            state["stranger.weight"] = torch.zeros(1)
        (save_file if path.suffix == ".safetensors" else torch.save)(state, path)
    return path


def byte_letters() -> dict[int, str]:
    """How byte-level vocabularies write the 256 bytes.

    Printable ones as themselves, the others from code point 256 on.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {
        **{byte: chr(byte) for byte in printable},
        **{byte: chr(256 + place) for place, byte in enumerate(others)},
    }
