"""ComfyUI's graphs as the program writes them, for tests: a text-to-image graph, and changes to it."""

from __future__ import annotations

import json
from typing import Any

from rankkit.io.prompts.embedded import Found, comfyui

NEGATIVE = "blurry and very very long, low quality, so that length cannot decide"
APPLE, BIRD = "a red apple", "a blue bird"


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def encoder(text: Any) -> dict[str, Any]:
    return node("CLIPTextEncode", text=text, clip=["4", 1])


def graph(text: Any = APPLE, *, sampler: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A text-to-image graph; `more` adds nodes, or replaces some by number (n6=…)."""
    settings: dict[str, Any] = {"seed": 1, "steps": 20, "cfg": 7.0, "denoise": 1.0}
    links = {"model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}
    nodes = {
        "3": node("KSampler", **settings | links | (sampler or {})),
        "4": node("CheckpointLoaderSimple", ckpt_name="x.safetensors"),
        "5": node("EmptyLatentImage", width=512, height=512, batch_size=1),
        "6": encoder(text),
        "7": encoder(NEGATIVE),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", filename_prefix="ComfyUI", images=["8", 0]),
    }
    return nodes | {key.lstrip("n"): value for key, value in more.items()}


def bird_too() -> dict[str, Any]:
    """Nodes that make a second image in the same graph: sampler 33, image 38."""
    return {
        "n33": node(
            "KSampler", seed=5, model=["4", 0], positive=["36", 0], negative=["7", 0], latent_image=["5", 0]
        ),
        "n36": encoder(BIRD),
        "n38": node("VAEDecode", samples=["33", 0], vae=["4", 2]),
    }


def found(nodes: dict[str, Any], file_name: str = "ComfyUI_00001_.png", canvas: Any = None) -> Found:
    texts = {"prompt": json.dumps(nodes), "workflow": json.dumps(canvas or {"nodes": []})}
    answer = comfyui.read(texts, file_name)
    assert answer is not None
    return answer


def prompt(nodes: dict[str, Any], file_name: str = "ComfyUI_00001_.png", canvas: Any = None) -> str:
    answer = found(nodes, file_name, canvas)
    assert answer.prompt is not None, answer.why
    return answer.prompt


def why(nodes: dict[str, Any], canvas: Any = None) -> str:
    answer = found(nodes, canvas=canvas)
    assert answer.prompt is None, answer.prompt
    return answer.why
