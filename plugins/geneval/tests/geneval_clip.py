"""A CLIP of a few thousand random weights with a tokenizer of its own, for tests."""

import json

import torch
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer


def save_tiny_clip(folder, *, hidden_act):
    """Write model and tokenizer into a folder. The end token has the highest id, as in CLIP."""
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer.from_pretrained(folder).save_pretrained(folder)
    tower = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "hidden_act": hidden_act,
    }
    text = {
        **tower,
        "vocab_size": len(words),
        "max_position_embeddings": 77,
        "eos_token_id": len(words) - 1,
        "bos_token_id": len(words) - 2,
    }
    vision = {**tower, "image_size": 32, "patch_size": 8}
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)).save_pretrained(folder)
