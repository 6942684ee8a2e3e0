"""A tiny random CLIP-FlanT5 in the layout of the published checkpoints, and its score by a plain restatement.

The checkpoint is a torch file with T5's keys, the table of words in each place where the published class had
it, the projector, and CLIP below ``vision_tower.vision_tower.vision_model.``.
"""

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from PIL import Image
from torch.nn.functional import gelu

from rankkit_torch import draw
from rankkit_torch.testing import byte_letters, clip_folder, tiny_clip_config

WIDTH = 32
T5 = {
    "vocab_size": 300, "d_model": WIDTH, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_decoder_layers": 2,
    "num_heads": 4, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "dropout_rate": 0.0,
    "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1,
}  # fmt: skip
SEEN = {
    "mm_hidden_size": 32, "mm_projector_type": "mlp2x_gelu", "mm_vision_select_layer": -2,
    "mm_vision_select_feature": "patch", "model_type": "clip_t5",
    "architectures": ["CLIPT5ForConditionalGeneration"],
}  # fmt: skip
QUESTION = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the user's questions. USER: <image>\n"
    'Does this figure show "{}"? Please answer yes or no. ASSISTANT: '
)


def tokenizer():
    """T5's own tokenizer class over single letters and a few words."""
    letters = sorted({*map(chr, range(33, 127)), *list(byte_letters().values())[:0]})
    words = ["▁Yes", "▁a", "▁figure", "▁show", "▁cat", "▁the", "▁yes", "▁no"]
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    vocab += [(word, -3.0) for word in words] + [(letter, -5.0) for letter in letters]
    return transformers.T5Tokenizer(vocab=vocab, extra_ids=4)


def write(folder, **changed):
    """The folder of a checkpoint that holds everything but CLIP's configuration, which lies beside it."""
    folder = Path(folder)
    clip = clip_folder(folder / "clip", tiny_clip_config("quick_gelu"))
    t5 = transformers.T5ForConditionalGeneration(transformers.T5Config(**T5))
    shapes = {key: tuple(value.shape) for key, value in t5.state_dict().items()}
    shapes = {key: shape for key, shape in shapes.items() if "embed_tokens" not in key}
    shapes |= {"mm_projector.0.weight": (WIDTH, 32), "mm_projector.0.bias": (WIDTH,)}
    shapes |= {"mm_projector.2.weight": (WIDTH, WIDTH), "mm_projector.2.bias": (WIDTH,)}
    state = draw(shapes)
    for place in ("encoder.embed_tokens", "decoder.embed_tokens", "embed_tokens"):
        state[f"{place}.weight"] = state["shared.weight"]
    from rankkit_torch import read

    for key, value in read(clip).items():
        if key.startswith("vision_model."):
            state[f"vision_tower.vision_tower.{key}"] = value + 0.01  # not quite CLIP's own
    torch.save(state, folder / "pytorch_model.bin")
    tokenizer().save_pretrained(folder)
    config = {**T5, **SEEN, "mm_vision_tower": str(clip), **changed}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@dataclass
class Part:
    """A checkpoint with less in it, and the options that say where the rest is."""

    folder: Path
    options: dict


def without(folder, place, what):
    """The same checkpoint with its image tower in a folder of CLIP's layout, or its tokenizer elsewhere."""
    copy, other = place / "copy", place / "other"
    shutil.copytree(folder, copy)
    if what == "tokenizer":
        other.mkdir()
        for file in copy.glob("*token*"):
            shutil.move(file, other / file.name)
        return Part(copy, {"tokenizer": str(other)})
    state = torch.load(copy / "pytorch_model.bin", weights_only=True)
    below = "vision_tower.vision_tower."
    tower = {key.removeprefix(below): value for key, value in state.items() if key.startswith(below)}
    torch.save(
        {key: value for key, value in state.items() if not key.startswith(below)}, copy / "pytorch_model.bin"
    )
    shutil.copytree(folder / "clip", other)
    (other / "model.safetensors").unlink()
    torch.save(tower, other / "pytorch_model.bin")
    return Part(copy, {"vision": str(other)})


@torch.no_grad()
def reference(folder, image, prompt):
    """One image and prompt, alone, as t2v_metrics computes it: exp of minus T5's own loss for Yes."""
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    words = transformers.AutoTokenizer.from_pretrained(folder)
    config = transformers.T5Config(**T5)
    t5 = transformers.T5ForConditionalGeneration(config).eval()
    own = {key: state[key] for key in t5.state_dict()}
    t5.lm_head.weight = torch.nn.Parameter(state["lm_head.weight"])
    t5.load_state_dict(own)
    table = t5.get_input_embeddings()
    ids = [words(part)["input_ids"] for part in QUESTION.format(prompt).split("<image>")]
    before, after = (table(torch.tensor([each])) for each in ids)
    seen = torch.cat([before, patches(folder, state, image), after], 1)
    t5.lm_head.weight = torch.nn.Parameter(t5.lm_head.weight[: len(words)])
    t5.config.vocab_size = len(words)
    labels = torch.tensor([words("Yes")["input_ids"]])
    return math.exp(-float(t5(inputs_embeds=seen, labels=labels).loss))


def patches(folder, state, image):
    """What CLIP sees of the image in its square, projected: (1, patches, WIDTH)."""
    side = max(image.size)
    square = Image.new("RGB", (side, side), (122, 116, 104))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    processor = transformers.CLIPImageProcessorPil.from_pretrained(folder / "clip")
    vision = transformers.CLIPConfig.from_pretrained(folder / "clip").vision_config
    tower = transformers.CLIPVisionModel(vision).eval()
    below = "vision_tower.vision_tower.vision_model."
    found = {key.removeprefix(below): value for key, value in state.items() if key.startswith(below)}
    names = tower.state_dict().keys()
    tower.load_state_dict({key: found[key.removeprefix("vision_model.")] for key in names})
    pixels = processor(images=[square], return_tensors="pt")["pixel_values"]
    layer = tower(pixel_values=pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    hidden = gelu(layer @ state["mm_projector.0.weight"].T + state["mm_projector.0.bias"])
    return hidden @ state["mm_projector.2.weight"].T + state["mm_projector.2.bias"]
