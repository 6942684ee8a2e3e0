"""ImageReward's network written out in plain tensor operations, one pair at a time"""

import json
import math
import string

import torch
from torch.nn.functional import gelu, layer_norm

from rankkit_imagereward import MEAN, STD
from rankkit_imagereward import ImageReward as build  # noqa: F401
from rankkit_torch import draw
from rankkit_torch.testing import as_torchvision

REFERENCE = "its network written out"
HEAD = (1024, 128, 64, 16, 1)
ORIGINAL, PACKAGE = "imagereward-official", "image-reward"
ONCE = ("ImageReward.models.BLIP.vit:VisionTransformer.forward",)
SIZES = ("full",)  # the original package knows no other
FULL = {"vision": 1024, "depth": 24, "grid": 14, "text": 768, "layers": 12, "vocab": 30524, "positions": 512}


def shapes(vision=128, depth=2, grid=2, patch=16, text=64, layers=2, vocab=400, inner=4, positions=64):
    """Keys and shapes of the published file.

    The published sizes are 1024, 24, 14, 16, 768, 12, 30524, 4, 512.
    """
    found = {"cls_token": (1, 1, vision), "pos_embed": (1, grid * grid + 1, vision)}
    found |= affine("patch_embed.proj", (vision, 3, patch, patch)) | affine("norm", (vision,))
    for i in range(depth):
        found |= affine(f"blocks.{i}.norm1", (vision,)) | affine(f"blocks.{i}.norm2", (vision,))
        found |= affine(f"blocks.{i}.attn.qkv", (3 * vision, vision)) | affine(
            f"blocks.{i}.attn.proj", (vision, vision)
        )
        found |= affine(f"blocks.{i}.mlp.fc1", (inner * vision, vision)) | affine(
            f"blocks.{i}.mlp.fc2", (vision, inner * vision)
        )
    found = {f"blip.visual_encoder.{key}": shape for key, shape in found.items()}
    words = {
        "embeddings.word_embeddings.weight": (vocab, text),
        "embeddings.position_embeddings.weight": (positions, text),
    }
    words |= affine("embeddings.LayerNorm", (text,))
    for i in range(layers):
        for kind, width in (("attention", text), ("crossattention", vision)):
            at = f"encoder.layer.{i}.{kind}"
            words |= affine(f"{at}.self.query", (text, text)) | affine(f"{at}.self.key", (text, width))
            words |= affine(f"{at}.self.value", (text, width)) | affine(f"{at}.output.dense", (text, text))
            words |= affine(f"{at}.output.LayerNorm", (text,))
        words |= affine(f"encoder.layer.{i}.intermediate.dense", (inner * text, text))
        words |= affine(f"encoder.layer.{i}.output.dense", (text, inner * text)) | affine(
            f"encoder.layer.{i}.output.LayerNorm", (text,)
        )
    found |= {f"blip.text_encoder.{key}": shape for key, shape in words.items()}
    found |= affine("blip.vision_proj", (256, vision)) | affine("blip.text_proj", (256, text))
    for place, a, b in zip((0, 2, 4, 6, 7), (text, *HEAD), HEAD, strict=False):
        found |= affine(f"mlp.layers.{place}", (b, a))
    return found


def affine(name, shape):
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def checkpoint(folder, **sizes):
    state = draw(shapes(**sizes), gain=1.5)
    state["blip.text_encoder.embeddings.position_ids"] = torch.arange(sizes.get("positions", 64))[None]
    torch.save(state, folder / "ImageReward.pt")
    return {"checkpoint": str(folder / "ImageReward.pt"), "tokenizer": str(tokenizer(folder / "words"))}


def full(folder):
    return checkpoint(folder, **FULL)


def original(folder, *, checkpoint, tokenizer):
    """The same files for the original package, with the configuration of its text tower."""
    config = {
        "model_type": "bert",
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    }
    config |= {
        "vocab_size": 30524,
        "max_position_embeddings": 512,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "pad_token_id": 0,
    }
    config |= {"add_type_embeddings": False, "add_cross_attention": True, "encoder_width": 768}
    (folder / "med_config.json").write_text(json.dumps(config))
    return {"checkpoint": checkpoint, "tokenizer": tokenizer, "med_config": str(folder / "med_config.json")}


def tokenizer(folder):
    """BERT's tokenizer over letters and a few words."""
    from transformers import BertTokenizer

    letters = [
        *string.ascii_lowercase,
        *string.digits,
        *"&:%!",
        *(f"##{letter}" for letter in string.ascii_lowercase + string.digits),
    ]
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *letters,
        "red",
        "circle",
        "white",
        "fox",
        "dog",
        "##s",
        "on",
        "river",
    ]
    names = {token: place for place, token in enumerate(dict.fromkeys(vocabulary))}
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(names))
    BertTokenizer(vocab=names, do_lower_case=True).save_pretrained(folder)
    return folder


@torch.no_grad()
def reference(images, prompts, *, checkpoint, tokenizer):
    from transformers import AutoTokenizer

    state, words = torch.load(checkpoint), AutoTokenizer.from_pretrained(tokenizer)
    grid = math.isqrt(state["blip.visual_encoder.pos_embed"].shape[1] - 1)
    size = grid * state["blip.visual_encoder.patch_embed.proj.weight"].shape[-1]
    patches = {id(image): see(state, as_torchvision(image, size)) for image in images}
    scores = []
    for image, prompt in zip(images, prompts, strict=True):
        ids = words(prompt, truncation=True, max_length=35)["input_ids"]
        scores.append((judge(state, torch.tensor(ids), patches[id(image)]).item() - MEAN) / STD)
    return scores


def see(state, pixels):
    w = {key.removeprefix("blip.visual_encoder."): value for key, value in state.items()}
    patch = w["patch_embed.proj.weight"]
    x = (
        torch.nn.functional.conv2d(pixels, patch, w["patch_embed.proj.bias"], stride=patch.shape[-1])
        .flatten(2)
        .mT[0]
    )
    x = torch.cat([w["cls_token"][0], x]) + w["pos_embed"][0]
    for i in range(sum(key.endswith("attn.qkv.weight") and key.startswith("blocks") for key in w)):
        at = f"blocks.{i}."
        q, k, v = linear(w, at + "attn.qkv", norm(w, at + "norm1", x, 1e-6)).chunk(3, -1)
        x = x + linear(w, at + "attn.proj", attend(q, k, v))
        x = x + linear(w, at + "mlp.fc2", gelu(linear(w, at + "mlp.fc1", norm(w, at + "norm2", x, 1e-6))))
    return norm(w, "norm", x, 1e-6)


def judge(state, ids, patches):
    w = {key.removeprefix("blip.text_encoder."): value for key, value in state.items()}
    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(w, "embeddings.LayerNorm", x, 1e-12)
    for i in range(sum(key.endswith("intermediate.dense.weight") for key in w)):
        at = f"encoder.layer.{i}."
        for kind, source in (("attention", None), ("crossattention", patches)):
            y = x if source is None else source
            part = f"{at}{kind}.self."
            seen = attend(
                linear(w, part + "query", x), linear(w, part + "key", y), linear(w, part + "value", y)
            )
            x = norm(
                w, f"{at}{kind}.output.LayerNorm", linear(w, f"{at}{kind}.output.dense", seen) + x, 1e-12
            )
        inner = gelu(linear(w, at + "intermediate.dense", x))
        x = norm(w, at + "output.LayerNorm", linear(w, at + "output.dense", inner) + x, 1e-12)
    x = x[0]
    for place in (0, 2, 4, 6, 7):
        x = linear(state, f"mlp.layers.{place}", x)
    return x


def attend(q, k, v, width=64):
    heads = [
        torch.softmax(a @ b.T / math.sqrt(width), -1) @ c
        for a, b, c in zip(q.split(width, -1), k.split(width, -1), v.split(width, -1), strict=True)
    ]
    return torch.cat(heads, -1)


def linear(w, name, x):
    return x @ w[name + ".weight"].T + w[name + ".bias"]


def norm(w, name, x, eps):
    return layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], eps)
