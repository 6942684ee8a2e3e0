"""Transformers' CLIP image tower, torchvision's transform and the published head, layer by layer"""

import torch

from rankkit_aesthetic import Aesthetic as build  # noqa: F401
from rankkit_torch import draw
from rankkit_torch.testing import as_torchvision, clip_folder, tiny_clip_config

REFERENCE = "the published loop written out"
SIZES = (16, 1024, 128, 64, 16, 1)
PLACES = (0, 2, 4, 6, 7)


def checkpoint(folder):
    shapes = {f"layers.{place}.weight": (b, a) for place, a, b in zip(PLACES, SIZES, SIZES[1:], strict=False)}
    shapes |= {f"layers.{place}.bias": (b,) for place, b in zip(PLACES, SIZES[1:], strict=True)}
    clip = clip_folder(folder / "clip", tiny_clip_config("quick_gelu"))
    torch.save(draw(shapes, gain=2.0), folder / "head.pth")
    return {"checkpoint": str(folder / "head.pth"), "clip": str(clip)}


@torch.no_grad()
def reference(images, prompts, *, checkpoint, clip):
    from transformers import CLIPModel

    model, head = CLIPModel.from_pretrained(clip).eval(), torch.load(checkpoint)
    scores = []
    for image in images:
        x = model.get_image_features(pixel_values=as_torchvision(image, 28)).pooler_output
        x = x / x.norm(dim=-1, keepdim=True)
        for place in PLACES:
            x = x @ head[f"layers.{place}.weight"].T + head[f"layers.{place}.bias"]
        scores.append(x.item())
    return scores
