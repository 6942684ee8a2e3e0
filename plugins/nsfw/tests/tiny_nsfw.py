"""Transformers' own ViTForImageClassification and image processor, one image at a time"""

import torch
from PIL import ImageOps

from rankkit_nsfw import Nsfw as build  # noqa: F401
from rankkit_torch import draw, empty

REFERENCE = "transformers' ViTForImageClassification and AutoImageProcessor"
PUBLISHED = {  # how the files on the hub name what transformers has renamed since
    "vit.layers.": "vit.encoder.layer.",
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}


def checkpoint(folder, labels=("normal", "nsfw")):
    """A folder as that on the hub, of two layers."""
    from safetensors.torch import save_file
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        image_size=28,
        patch_size=14,
        id2label=dict(enumerate(labels)),
        label2id={label: place for place, label in enumerate(labels)},
    )
    with empty():
        state = ViTForImageClassification(config).state_dict()
    save_file(
        draw({published(key): tuple(value.shape) for key, value in state.items()}),
        folder / "model.safetensors",
        {"format": "pt"},
    )
    config.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 28, "width": 28}).save_pretrained(folder)
    return {"checkpoint": str(folder)}


def published(key):
    for ours, theirs in PUBLISHED.items():
        key = key.replace(ours, theirs)
    return key


@torch.no_grad()
def reference(images, prompts, *, checkpoint):
    from transformers import AutoImageProcessor, ViTForImageClassification

    model = ViTForImageClassification.from_pretrained(checkpoint).eval()
    processor = AutoImageProcessor.from_pretrained(checkpoint, backend="pil")
    safe = model.config.label2id["normal"]
    scores = []
    for image in images:
        image = ImageOps.exif_transpose(image).convert("RGB")  # as transformers' pipelines open an image
        logits = model(**processor(images=image, return_tensors="pt")).logits
        scores.append(float(logits.double().softmax(-1)[0, safe]))
    return scores
