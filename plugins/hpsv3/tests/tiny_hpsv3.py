"""Qwen2-VL's language model in plain tensor operations on transformers' image tower, a pair at a time"""

import json
import math
import re
import shutil

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn.functional import silu
from transformers import Qwen2VLConfig

from rankkit_hpsv3 import HPSv3
from rankkit_hpsv3.model import Network
from rankkit_hpsv3.question import AFTER, BEFORE, QUESTION
from rankkit_torch import draw, empty
from rankkit_torch.images import CLIP_MEAN, CLIP_STD
from rankkit_torch.testing import byte_letters

REFERENCE = "Qwen2-VL's language model written out"
ORIGINAL, PACKAGE = "hpsv3-official", "hpsv3"
MARKS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
PROCESSOR = {
    "image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2VLProcessor",
    "min_pixels": 56 * 56, "max_pixels": 2**14 * 28**2, "patch_size": 14, "temporal_patch_size": 2,
    "merge_size": 2, "image_mean": CLIP_MEAN, "image_std": CLIP_STD,
}  # fmt: skip
TEMPLATE = """{%- for message in messages %}{% if loop.first %}<|im_start|>system
You are a helpful assistant.<|im_end|>
{% endif %}<|im_start|>{{ message.role }}
{% for part in message.content %}
{%- if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}
{%- endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""  # renders one turn as Qwen2-VL's own does
HIDDEN, HEADS, SHARED, LAYERS, EPS, THETA = 64, 4, 2, 2, 1e-6, 1e6


def build(*, dtype="float32", **options):
    return HPSv3(dtype=dtype, **options)


def checkpoint(folder):
    words, base = tokenizer(), folder / "base"
    words.save_pretrained(base)
    (base / "config.json").write_text(json.dumps(configuration(words)))
    (base / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    tokens = len(words) + 1  # the published weights were resized for the mark of the answer
    save_file(draw(network_shapes(Qwen2VLConfig.from_pretrained(base), tokens)), folder / "HPSv3.safetensors")
    return {"checkpoint": str(folder / "HPSv3.safetensors"), "base": str(base)}


def configuration(words):
    """The contents of config.json as Qwen2-VL publishes it, in small."""
    places = {
        f"{mark}_token_id": words.convert_tokens_to_ids(f"<|{mark}|>")
        for mark in ("vision_start", "vision_end")
    }
    places |= {
        f"{mark}_token_id": words.convert_tokens_to_ids(f"<|{mark}_pad|>") for mark in ("image", "video")
    }
    places |= {"bos_token_id": 0, "eos_token_id": 0, "vocab_size": len(words) + 40, "model_type": "qwen2_vl"}
    text = {
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": SHARED,
    }
    text |= {
        "intermediate_size": 96,
        "max_position_embeddings": 2**15,
        "rms_norm_eps": EPS,
        "rope_theta": THETA,
    }
    text |= {"rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]}}
    vision = {
        "depth": 2,
        "embed_dim": 32,
        "hidden_size": HIDDEN,
        "num_heads": 2,
        "mlp_ratio": 2,
        "in_chans": 3,
        "patch_size": 14,
    }
    return (
        places | text | {"tie_word_embeddings": False, "use_sliding_window": False, "vision_config": vision}
    )


def network_shapes(config, tokens):
    config.text_config.vocab_size = tokens
    with empty():
        shapes = {published(key): tuple(value.shape) for key, value in Network(config).state_dict().items()}
    return {**shapes, "lm_head.weight": (tokens, HIDDEN)}


def original(folder, *, checkpoint, base):
    """The same files for the original package, with a base it replaces all weights of.

    That base needs weights and a chat template.
    """
    whole = shutil.copytree(base, folder / "whole")
    (whole / "chat_template.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    config = Qwen2VLConfig.from_pretrained(base)
    shapes = network_shapes(config, config.text_config.vocab_size)
    others = draw({key: shape for key, shape in shapes.items() if not key.startswith("rm_head.")}, seed=1)
    save_file(others, whole / "model.safetensors", {"format": "pt"})
    return {"checkpoint": checkpoint, "base": str(whole)}


def published(key):
    key = re.sub(r"^model\.language_model\.", "model.", key)
    return re.sub(r"^model\.visual\.", "visual.", key)


def tokenizer():
    """Qwen2's tokenizer: bytes, and the words of the question built up letter by letter."""
    from transformers import Qwen2Tokenizer

    letters = byte_letters()
    written = "".join(letters[byte] for byte in QUESTION.encode())
    merges = []
    for word in dict.fromkeys(re.findall(r"Ġ?[A-Za-z]+", written)):
        merges += [(word[:stop], word[stop]) for stop in range(1, len(word))]
    merges = list(dict.fromkeys(merges))
    tokens = dict.fromkeys([*letters.values(), *("".join(pair) for pair in merges)])
    made = Qwen2Tokenizer(vocab={token: place for place, token in enumerate(tokens)}, merges=merges)
    made.add_tokens(MARKS, special_tokens=True)
    return made


@torch.no_grad()
def reference(images, prompts, *, checkpoint, base):
    from transformers import AutoImageProcessor, AutoTokenizer, Qwen2VLModel

    state, words = load_file(checkpoint), AutoTokenizer.from_pretrained(base)
    words.add_tokens(["<|Reward|>"], special_tokens=True)
    tower = Qwen2VLModel(Qwen2VLConfig.from_pretrained(base)).visual.eval()
    tower.load_state_dict(
        {key.removeprefix("visual."): value for key, value in state.items() if key.startswith("visual.")}
    )
    processor = AutoImageProcessor.from_pretrained(base, backend="pil")
    seen = {id(image): processor(images=[fit(image)], return_tensors="pt") for image in images}
    features = {
        place: tower(found["pixel_values"], grid_thw=found["image_grid_thw"]).pooler_output
        for place, found in seen.items()
    }
    return [
        judge(state, words, features[id(image)], prompt)
        for image, prompt in zip(images, prompts, strict=True)
    ]


def fit(image, pixels=256 * 28 * 28):
    """The authors' resizing: sides to multiples of 28.

    At most (rounding down) or at least (rounding up) so many pixels.
    """
    sides = [max(28, round(side / 28) * 28) for side in image.size]
    if math.prod(sides) != pixels:
        scale, towards = (
            math.sqrt(pixels / math.prod(image.size)),
            math.floor if math.prod(sides) > pixels else math.ceil,
        )
        sides = [towards(side * scale / 28) * 28 for side in image.size]
    return image.resize(sides, Image.Resampling.BICUBIC)


def judge(state, words, features, prompt):
    w = {key.removeprefix("model."): value for key, value in state.items()}
    text = (
        BEFORE
        + "<|image_pad|>" * len(features)
        + "<|vision_end|>"
        + QUESTION.format(text_prompt=prompt)
        + AFTER
    )
    ids = torch.tensor(words(text)["input_ids"])
    x = w["embed_tokens.weight"][ids]
    x[ids == words.convert_tokens_to_ids("<|image_pad|>")] = features
    width = HIDDEN // HEADS
    angles = torch.arange(len(ids))[:, None] * THETA ** -(torch.arange(0, width, 2) / width)
    turn = torch.cat([angles, angles], -1)
    hidden = torch.full((len(ids), len(ids)), -math.inf).triu(1)
    for i in range(LAYERS):
        at = f"layers.{i}."
        y = rms(x, w[at + "input_layernorm.weight"])
        q, k, v = (
            (y @ w[f"{at}self_attn.{n}_proj.weight"].T + w[f"{at}self_attn.{n}_proj.bias"]).split(width, -1)
            for n in "qkv"
        )
        heads = []
        for h in range(HEADS):
            a, b, c = rotate(q[h], turn), rotate(k[h * SHARED // HEADS], turn), v[h * SHARED // HEADS]
            heads.append(torch.softmax(a @ b.T / math.sqrt(width) + hidden, -1) @ c)
        x = x + torch.cat(heads, -1) @ w[at + "self_attn.o_proj.weight"].T
        y = rms(x, w[at + "post_attention_layernorm.weight"])
        gated = silu(y @ w[at + "mlp.gate_proj.weight"].T) * (y @ w[at + "mlp.up_proj.weight"].T)
        x = x + gated @ w[at + "mlp.down_proj.weight"].T
    y = rms(x, w["norm.weight"])[ids == words.convert_tokens_to_ids("<|Reward|>")][0]
    for place in (0, 3, 5):
        y = y @ w[f"rm_head.{place}.weight"].T + w[f"rm_head.{place}.bias"]
        y = torch.relu(y) if place < 5 else y
    return y[0].item()


def rms(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * weight


def rotate(x, turn):
    half = x.shape[-1] // 2
    return x * turn.cos() + torch.cat([-x[:, half:], x[:, :half]], -1) * turn.sin()
