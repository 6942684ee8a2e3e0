"""MPS in plain tensor operations on transformers' two towers, one pair at a time, a head after the other"""

import math

import torch
from torch.nn.functional import layer_norm, silu

from rankkit_mps.ranker import MultiPreference as build  # noqa: F401
from rankkit_torch import draw, empty
from rankkit_torch.testing import clip_folder, tiny_clip_config

REFERENCE = "MPS in plain tensor operations"
LAYERS, DIM, HEADS, HEAD, INNER = 2, 16, 2, 8, 64
CONDITION = "red, dogs, a fox and things."


def checkpoint(folder):
    """A state dict of the published names; what is a pickled module in the published file."""
    from transformers import CLIPModel

    config = tiny_clip_config()
    clip_folder(folder / "clip", config, seed=1)
    with empty():
        clip = {key: tuple(value.shape) for key, value in CLIPModel(config).state_dict().items()}
    shapes = {f"model.{key}": shape for key, shape in clip.items()}
    for layer in range(LAYERS):
        words, among = (f"cross_model.layers.{layer}.{kind}.fn." for kind in (0, 1))
        shapes |= {words + "norm.weight": (DIM,), among + "norm.weight": (DIM,)}
        shapes |= {words + "to_q.weight": (HEADS * HEAD, DIM), words + "to_kv.weight": (2 * HEAD, DIM)}
        shapes |= {words + "to_out.weight": (DIM, HEADS * HEAD), words + "ff.0.weight": (2 * INNER, DIM)}
        shapes |= {words + "ff.2.weight": (DIM, INNER), among + "ff_out.1.weight": (DIM, INNER)}
        shapes |= {among + "fused_attn_ff_proj.weight": ((HEADS + 2) * HEAD + 2 * INNER, DIM)}
        shapes |= {among + "attn_out.weight": (DIM, HEADS * HEAD)}
    state = draw(shapes)
    for layer in range(LAYERS):
        for kind in (0, 1):
            state[f"cross_model.layers.{layer}.{kind}.fn.norm.bias"] = torch.zeros(DIM)
        frequencies = 10000.0 ** -(torch.arange(0, HEAD, 2) / HEAD)
        state[f"cross_model.layers.{layer}.1.fn.rotary_emb.inv_freq"] = frequencies
    torch.save(state, folder / "MPS.pth")
    return {
        "checkpoint": str(folder / "MPS.pth"), "processor": str(folder / "clip"), "condition": CONDITION,
    }  # fmt: skip


@torch.no_grad()
def reference(images, prompts, *, checkpoint, processor, condition, threshold=0.3):
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

    state = torch.load(checkpoint)
    clip = CLIPModel.from_pretrained(processor).eval()
    clip.load_state_dict({key[6:]: value for key, value in state.items() if key.startswith("model.")})
    tokenizer = AutoTokenizer.from_pretrained(processor)
    shown = AutoImageProcessor.from_pretrained(processor, backend="pil")

    def words(text):
        ids = tokenizer(
            text, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
        ).input_ids
        found = clip.text_model(input_ids=ids)
        return [clip.text_projection(each)[0] for each in (found.last_hidden_state, found.pooler_output)]

    wanted, _ = words(condition)
    texts = {text: words(text) for text in set(prompts)}
    scores = []
    for image, prompt in zip(images, prompts, strict=True):
        tokens, end = texts[prompt]
        likeness = torch.stack([max(token @ other for other in wanted) for token in tokens])
        attended = tokens[likeness / likeness.max() > threshold]
        seen = clip.vision_model(**shown(images=image, return_tensors="pt")).last_hidden_state[0]
        x = seen @ clip.visual_projection.weight.T
        for layer in range(LAYERS):
            for kind in (0, 1):
                prefix = f"cross_model.layers.{layer}.{kind}.fn."
                own = {key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)}
                x = x + (to_words(x, attended, own) if kind == 0 else among(x, own))
        cosine = torch.cosine_similarity(x[0], end, dim=0)
        scores.append(float(state["model.logit_scale"].exp() * cosine))
    return scores


def to_words(x, words, own):
    x = layer_norm(x, x.shape[-1:], own["norm.weight"])
    key, value = (words @ own["to_kv.weight"].T).split(HEAD, dim=-1)
    heads = [attend(q, key, value) for q in (x @ own["to_q.weight"].T).split(HEAD, dim=-1)]
    return (
        torch.cat(heads, -1) @ own["to_out.weight"].T + gated(x @ own["ff.0.weight"].T) @ own["ff.2.weight"].T
    )


def among(x, own):
    x = layer_norm(x, x.shape[-1:], own["norm.weight"])
    *queries, key, value, ff = (x @ own["fused_attn_ff_proj.weight"].T).split(
        [*[HEAD] * (HEADS + 2), 2 * INNER], -1
    )
    heads = [attend(turned(query), turned(key), value) for query in queries]
    return torch.cat(heads, -1) @ own["attn_out.weight"].T + gated(ff) @ own["ff_out.1.weight"].T


def attend(query, key, value):
    return (query @ key.T / math.sqrt(HEAD)).softmax(-1) @ value


def gated(x):
    value, gate = x.split(INNER, dim=-1)
    return silu(gate) * value


def turned(x):
    """Each pair of features (i, i + HEAD / 2) turned by place times frequency: as complex numbers."""
    half = HEAD // 2
    angles = torch.outer(torch.arange(len(x)).float(), 10000.0 ** -(torch.arange(half) / half))
    found = torch.complex(x[:, :half], x[:, half:]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat((found.real, found.imag), dim=-1)
