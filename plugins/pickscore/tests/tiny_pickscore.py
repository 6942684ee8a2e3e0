"""The plain loop of the model's card: transformers' CLIPModel and processor, one pair at a time"""

import torch

from rankkit_pickscore import PickScore as build  # noqa: F401
from rankkit_torch.testing import clip_folder, tiny_clip_config

REFERENCE = "the plain loop of transformers' CLIPModel on the model's card"


def checkpoint(folder):
    return {"checkpoint": str(clip_folder(folder, tiny_clip_config()))}


@torch.no_grad()
def reference(images, prompts, *, checkpoint):
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

    model = CLIPModel.from_pretrained(checkpoint).eval()
    processor, tokenizer = (
        AutoImageProcessor.from_pretrained(checkpoint, backend="pil"),
        AutoTokenizer.from_pretrained(checkpoint),
    )
    scores = []
    for image, prompt in zip(images, prompts, strict=True):
        a = model.get_image_features(**processor(images=image, return_tensors="pt")).pooler_output
        b = model.get_text_features(
            **tokenizer(prompt, truncation=True, max_length=77, return_tensors="pt")
        ).pooler_output
        a, b = a / a.norm(dim=-1, keepdim=True), b / b.norm(dim=-1, keepdim=True)
        scores.append(float(model.logit_scale.exp() * (b @ a.T)[0, 0]))
    return scores
