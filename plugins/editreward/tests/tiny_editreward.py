"""Qwen2.5-VL's own parts put together as EditReward's code does, an edited image at a time"""

import math
import re

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from rankkit_editreward import EditReward
from rankkit_editreward.model import Network
from rankkit_editreward.question import QUESTIONS
from rankkit_torch import draw, empty
from rankkit_torch.images import CLIP_MEAN, CLIP_STD
from rankkit_torch.testing import byte_letters

REFERENCE = "Qwen2.5-VL's own parts put together as the published code does"
MARKS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>",
]  # fmt: skip
BEFORE = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
SEEN, AFTER = "<|vision_start|><|image_pad|><|vision_end|>", "<|im_end|>\n<|im_start|>assistant\n"
TEMPLATE = """{%- for m in messages %}{% if loop.first %}<|im_start|>system
You are a helpful assistant.<|im_end|>
{% endif %}<|im_start|>{{ m.role }}
{% for part in m.content %}
{%- if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}
{%- endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def build(*, dtype="float32", **options):
    return EditReward(dtype=dtype, **options)


def checkpoint(folder):
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    words, base = tokenizer(), folder / "base"
    words.save_pretrained(base)
    config = configuration(words)
    config.save_pretrained(base)
    Qwen2VLImageProcessorPil(patch_size=14, merge_size=2).save_pretrained(base)
    config.text_config.vocab_size = len(words) + 1  # the published weights were resized for the mark
    with empty():
        shapes = {key: tuple(value.shape) for key, value in Network(config).state_dict().items()}
    weights = folder / "weights"
    weights.mkdir()
    shapes["lm_head.weight"] = (len(words) + 1, 32)
    save_file(draw(shapes), weights / "model.safetensors", {"format": "pt"})
    before = Image.fromarray(np.random.default_rng(5).integers(0, 256, (40, 56, 3), np.uint8))
    before.save(folder / "before.png")
    return {"checkpoint": str(weights), "base": str(base), "original": str(folder / "before.png")}


def tokenizer():
    """Bytes, the words of the questions built up letter by letter, and Qwen's marks."""
    from transformers import PreTrainedTokenizerFast

    letters = byte_letters()
    written = "".join(letters[byte] for byte in "".join(QUESTIONS).encode())
    words = re.findall(r"Ġ?[A-Za-z]+", written)
    merges = list(dict.fromkeys((word[:stop], word[stop]) for word in words for stop in range(1, len(word))))
    tokens = dict.fromkeys([*letters.values(), *("".join(pair) for pair in merges)])
    made = Tokenizer(models.BPE({token: place for place, token in enumerate(tokens)}, merges))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made.add_special_tokens(MARKS)
    words = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    words.add_special_tokens({"additional_special_tokens": MARKS[3:]})
    words.chat_template = TEMPLATE
    return words


def configuration(words):
    from transformers import Qwen2_5_VLConfig

    text = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": len(words) + 40,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0},
    }  # fmt: skip
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32,
        "fullatt_block_indexes": [1], "patch_size": 14,
    }  # fmt: skip
    names = {"image_token_id": MARKS[5], "video_token_id": MARKS[6], "vision_start_token_id": MARKS[3]}
    ids = {name: words.convert_tokens_to_ids(mark) for name, mark in names.items()}
    return Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids)


@torch.no_grad()
def reference(images, prompts, *, checkpoint, base, original):
    from transformers import AutoTokenizer, Qwen2_5_VLConfig, Qwen2_5_VLModel

    state, words = load_file(checkpoint + "/model.safetensors"), AutoTokenizer.from_pretrained(base)
    words.add_tokens(["<|Reward|>"], special_tokens=True)
    config = Qwen2_5_VLConfig.from_pretrained(base)
    config.text_config.vocab_size = len(words)
    model = Qwen2_5_VLModel(config).eval()
    model.load_state_dict({k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")})
    with Image.open(original) as opened:
        before = see(model, opened)
    after = {id(image): see(model, image) for image in images}
    return [
        sum(judge(model, state, words, part, prompt, (before, after[id(image)])) for part in (0, 1)) / 2
        for image, prompt in zip(images, prompts, strict=True)
    ]


def see(model, image, pixels=256 * 28 * 28):
    """The features of one image: resized to whole squares of 28, in patches of 14 in the model's order."""
    image = image.convert("RGB")  # as the published code opens every image
    if max(image.size) > 200 * min(image.size):
        raise ValueError("too narrow, as the published resizing has it")
    sides = [max(28, round(side / 28) * 28) for side in image.size]
    if math.prod(sides) != pixels:
        scale = math.sqrt(pixels / math.prod(image.size))
        towards = math.floor if math.prod(sides) > pixels else math.ceil
        sides = [towards(side * scale / 28) * 28 for side in image.size]
    levels = np.asarray(image.resize(sides, Image.Resampling.BICUBIC), np.float32) / 255
    levels = ((levels - np.float32(CLIP_MEAN)) / np.float32(CLIP_STD)).transpose(2, 0, 1)
    rows, columns = sides[1] // 28, sides[0] // 28
    patches = [
        np.repeat(levels[:, None, y : y + 14, x : x + 14], 2, 1).ravel()
        for row in range(rows) for column in range(columns)
        for y in (28 * row, 28 * row + 14) for x in (28 * column, 28 * column + 14)
    ]  # fmt: skip
    grid = torch.tensor([[1, 2 * rows, 2 * columns]])
    return model.visual(torch.from_numpy(np.stack(patches)), grid_thw=grid).pooler_output


def judge(model, state, words, part, prompt, features):
    text = BEFORE + 2 * SEEN + QUESTIONS[part].format(text_prompt=prompt) + AFTER
    for count in map(len, features):
        text = text.replace("<|image_pad|>", "<|place|>" * count, 1)
    text = text.replace("<|place|>", "<|image_pad|>")
    ids = torch.tensor(words(text)["input_ids"])
    x = state["model.language_model.embed_tokens.weight"][ids]
    x[ids == words.convert_tokens_to_ids("<|image_pad|>")] = torch.cat(features)
    counted = torch.arange(len(ids)).expand(3, 1, len(ids))
    y = model.language_model(inputs_embeds=x[None], position_ids=counted).last_hidden_state[0]
    y = y[ids == words.convert_tokens_to_ids("<|Reward|>")][0]
    for place in (0, 3, 5):
        head = f"rm_heads.head_{part}.{place}"
        y = y @ state[f"{head}.weight"].T + state[f"{head}.bias"]
        y = torch.relu(y) if place < 5 else y
    return y[0].item()
