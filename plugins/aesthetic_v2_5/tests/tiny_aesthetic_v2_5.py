"""Transformers' SigLIP image tower and processor, and the head layer by layer"""

from collections import OrderedDict

import torch

from rankkit_aesthetic_v2_5.ranker import AestheticV25 as build  # noqa: F401
from rankkit_torch import draw, empty

NAME = "aesthetic-v2.5"
REFERENCE = "transformers' SigLIP with the head written out"
ORIGINAL, PACKAGE = "aesthetic-v2.5-official", "aesthetic-predictor-v2-5"
SIZES = ("original_tiny",)
LAYERS = (32, 1024, 128, 64, 16, 1)


def checkpoint(folder):
    """A whole SigLIP as the hub has it, and the head as it is published: bfloat16, an ordered dictionary."""
    from safetensors.torch import save_file
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    shared = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
    }
    text = {**shared, "vocab_size": 50, "max_position_embeddings": 8, "bos_token_id": 1, "eos_token_id": 2}
    config = SiglipConfig(text_config=text, vision_config={**shared, "image_size": 28, "patch_size": 14})
    with empty():
        shapes = {key: tuple(value.shape) for key, value in SiglipModel(config).state_dict().items()}
    siglip = folder / "siglip"
    siglip.mkdir()
    save_file(draw(shapes), siglip / "model.safetensors", {"format": "pt"})
    config.save_pretrained(siglip)
    SiglipImageProcessorPil(size={"height": 28, "width": 28}).save_pretrained(siglip)
    places = range(0, 10, 2)
    of_head = {
        f"scoring_head.{place}.weight": (b, a)
        for place, a, b in zip(places, LAYERS, LAYERS[1:], strict=False)
    }
    of_head |= {f"scoring_head.{place}.bias": (b,) for place, b in zip(places, LAYERS[1:], strict=True)}
    drawn = draw(of_head, gain=2.0)
    torch.save(
        OrderedDict((key, value.bfloat16()) for key, value in drawn.items()),
        folder / "aesthetic_predictor_v2_5.pth",
    )
    return {"checkpoint": str(folder / "aesthetic_predictor_v2_5.pth"), "siglip": str(siglip)}


def original(folder, *, checkpoint, siglip):
    """The same files for the original package."""
    return {"checkpoint": checkpoint, "siglip": siglip}


@torch.no_grad()
def reference(images, prompts, *, checkpoint, siglip):
    from transformers import AutoImageProcessor, SiglipVisionModel

    model = SiglipVisionModel.from_pretrained(siglip).eval()
    processor = AutoImageProcessor.from_pretrained(siglip, backend="pil")
    head = {key: value.float() for key, value in torch.load(checkpoint).items()}
    scores = []
    for image in images:
        x = model(**processor(images=image, return_tensors="pt")).pooler_output
        x = x / x.norm(dim=-1, keepdim=True)
        for place in range(0, 10, 2):
            x = x @ head[f"scoring_head.{place}.weight"].T + head[f"scoring_head.{place}.bias"]
        scores.append(x.item())
    return scores
