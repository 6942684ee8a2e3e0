"""The plain loop: transformers' CLIPModel and processor, one pair at a time, 100 times the cosine"""

import torch

from rankkit_clip import Clip as build  # noqa: F401
from rankkit_torch.testing import clip_folder, tiny_clip_config

REFERENCE = "transformers' CLIPModel in a plain loop"


def checkpoint(folder):
    return {"checkpoint": str(clip_folder(folder, tiny_clip_config("quick_gelu"), seed=3))}


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
        scores.append(100 * float(torch.nn.functional.cosine_similarity(a, b)))
    return scores
