"""open_clip's model and tokenizer, torchvision's operations in the authors' order, one pair at a time"""

import json

import open_clip
import torch
from torchvision.transforms import InterpolationMode, Normalize
from torchvision.transforms import functional as F

from rankkit_hpsv2 import HPSv2 as build  # noqa: F401
from rankkit_torch import draw

REFERENCE = "open_clip's plain loop"
ORIGINAL, PACKAGE = "hpsv2-official", "hpsv2"
ONCE = ("hpsv2.src.open_clip.model:CLIP.encode_image", "hpsv2.src.open_clip.model:CLIP.encode_text")
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 28, "layers": 2, "width": 32, "head_width": 8, "patch_size": 14},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 2},
}


def checkpoint(folder):
    (folder / "tiny-hps.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(folder)
    shapes = {
        key: tuple(value.shape) for key, value in open_clip.create_model("tiny-hps").state_dict().items()
    }
    torch.save({"state_dict": draw(shapes)}, folder / "HPS_v2.1_compressed.pt")
    return {"checkpoint": str(folder / "HPS_v2.1_compressed.pt"), "model": "tiny-hps"}


def original(folder, *, checkpoint, model):
    """The same files for the original package."""
    return {
        "checkpoint": checkpoint,
        "model": str(folder / f"{model}.json") if model == "tiny-hps" else model,
    }


def full(folder, model="ViT-H-14"):
    with torch.device("meta"):
        shapes = {
            key: tuple(value.shape)
            for key, value in open_clip.create_model(model, device="meta").state_dict().items()
        }
    torch.save({"state_dict": draw(shapes)}, folder / "HPS_v2.1_compressed.pt")
    return {"checkpoint": str(folder / "HPS_v2.1_compressed.pt"), "model": model}


@torch.no_grad()
def reference(images, prompts, *, checkpoint, model):
    clip, tokenizer = open_clip.create_model(model).eval(), open_clip.get_tokenizer(model)
    clip.load_state_dict(torch.load(checkpoint)["state_dict"])
    texts = {prompt: clip.encode_text(tokenizer([prompt]), normalize=True)[0] for prompt in set(prompts)}
    scores = []
    for image, prompt in zip(images, prompts, strict=True):
        features = clip.encode_image(transform(image, clip.visual.image_size[0])[None], normalize=True)[0]
        scores.append(float(features @ texts[prompt]))
    return scores


def transform(image, size):
    pixels = F.to_tensor(image)
    scale = size / float(max(image.size))
    if scale != 1:
        height, width = round(image.height * scale), round(image.width * scale)
        pixels = F.resize(pixels, [height, width], InterpolationMode.BICUBIC)
        left, top = (size - width) // 2, (size - height) // 2
        pixels = F.pad(pixels, [left, top, size - width - left, size - height - top], fill=0)
    return Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))(pixels)
