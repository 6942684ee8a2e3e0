"""Transformers' own Dinov2Model and image processor, one pair of images at a time"""

import torch
from PIL import Image

from rankkit_dinov2 import Dinov2 as build  # noqa: F401
from rankkit_torch import draw, empty
from rankkit_torch.testing import sample_images

REFERENCE = "transformers' Dinov2Model and AutoImageProcessor"
PUBLISHED = {  # how the files on the hub name what transformers has renamed since
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
}


def checkpoint(folder, seed=0):
    """A folder as those on the hub, of two layers, and a file to compare with."""
    from safetensors.torch import save_file
    from transformers import BitImageProcessorPil, Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, mlp_ratio=2, image_size=70, patch_size=14
    )
    with empty():
        shapes = {published(key): tuple(v.shape) for key, v in Dinov2Model(config).state_dict().items()}
    drawn = draw(shapes, seed)
    # drawn as any other bias, the branches would add next to nothing
    drawn |= {key: value * 10 for key, value in drawn.items() if key.endswith("lambda1")}
    save_file(drawn, folder / "model.safetensors", {"format": "pt"})
    config.save_pretrained(folder)
    BitImageProcessorPil(
        size={"shortest_edge": 32},
        crop_size={"height": 28, "width": 28},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder)
    sample_images(3)[5].save(folder / "reference.png")
    return {"checkpoint": str(folder), "reference": str(folder / "reference.png")}


def published(key):
    for ours, theirs in PUBLISHED.items():
        key = key.replace(ours, theirs)
    return key


@torch.no_grad()
def reference(images, prompts, *, checkpoint, reference):
    from transformers import AutoImageProcessor, Dinov2Model

    model = Dinov2Model.from_pretrained(checkpoint).eval()
    processor = AutoImageProcessor.from_pretrained(checkpoint, backend="pil")

    def vector(image):
        x = model(**processor(images=image, return_tensors="pt")).pooler_output
        return x / x.norm(dim=-1, keepdim=True)

    other = vector(Image.open(reference))
    return [float((vector(image) @ other.T)[0, 0]) for image in images]
