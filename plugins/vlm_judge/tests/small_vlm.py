"""Tiny random Qwen-VL models with a tokenizer made here; nothing is downloaded."""

import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
TEMPLATE = """{% for m in messages %}<|im_start|>{{ m.role }}
{% for p in m.content -%}
{% if p.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ p.text }}{% endif %}
{%- endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
VISION = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32}


def tokenizer(merges):
    """Bytes and a few merges: A and B are single tokens, so is " B" where there is a merge for it."""
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet()) + ["".join(pair) for pair in merges]
    made = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made.add_special_tokens(SPECIAL)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    fast.add_special_tokens({"additional_special_tokens": SPECIAL[3:]})
    fast.chat_template = TEMPLATE
    return fast


def qwen25(tokens, ids):
    from transformers.models.qwen2_5_vl import Qwen2_5_VLConfig

    text = TEXT | {
        "vocab_size": tokens,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0},
    }
    vision = VISION | {
        "fullatt_block_indexes": [1],
    }
    return Qwen2_5_VLConfig(text_config=text, vision_config={**vision, "patch_size": 14}, **ids), 14


def qwen3(tokens, ids):
    from transformers.models.qwen3_vl import Qwen3VLConfig

    text = TEXT | {
        "head_dim": 8,
        "vocab_size": tokens,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 1e4},
    }
    vision = VISION | {
        "deepstack_visual_indexes": [0],
    }
    return Qwen3VLConfig(
        text_config=text, vision_config={**vision, "patch_size": 16, "num_position_embeddings": 64}, **ids
    ), 16


def save(folder, make, labels=("A", "B"), merges=(("Ġ", "B"), ("Y", "e"), ("Ye", "s"), ("N", "o"))):
    words = tokenizer(list(merges))
    names = {
        "image_token_id": SPECIAL[5],
        "video_token_id": SPECIAL[6],
        "vision_start_token_id": SPECIAL[3],
        "vision_end_token_id": SPECIAL[4],
    }
    config, patch = make(
        len(words), {name: words.convert_tokens_to_ids(token) for name, token in names.items()}
    )
    torch.manual_seed(0)
    net = transformers.AutoModelForImageTextToText.from_config(config)
    # random logits are all alike: now it says one of the labels, and which one depends on the image
    with torch.no_grad():
        ids = words("<|im_start|>assistant\n", return_tensors="pt")["input_ids"]
        usual = net.model(input_ids=ids).last_hidden_state[0, -1]
        for label in labels:
            token = words.convert_tokens_to_ids(label)
            net.lm_head.weight[token] = 12 * usual / usual.dot(usual) + 5 * net.lm_head.weight[token]
    net.generation_config = transformers.GenerationConfig(
        repetition_penalty=1.05, temperature=0.7, do_sample=True, eos_token_id=words.eos_token_id
    )
    net.save_pretrained(folder)
    words.save_pretrained(folder)
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    size = {"shortest_edge": 32 * 32, "longest_edge": 96 * 96}
    Qwen2VLImageProcessorPil(patch_size=patch, merge_size=2, size=size).save_pretrained(folder)
    return str(folder)


def noise_images(n):
    sizes = [(40, 40), (64, 40), (40, 72), (90, 90)]
    return tuple(Image.effect_noise(sizes[i % 4], 20 + 30 * i).convert("RGB") for i in range(n))
