"""Soft-TIFA by a model in this process equals the published loop on the same tiny random weights."""

import math

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="a model is loaded here only with rankkit-vlm-judge[local]")
transformers = pytest.importorskip("transformers")

from small_vlm import TEMPLATE, qwen3, save  # noqa: E402

import rankkit  # noqa: E402
from rankkit_torch.golden import assert_parity  # noqa: E402

WORDS = ("Yes", "yes", "two", "Two", "four", "Four")
ATOMS = [
    ["How many cats are in the image?", "two"], ["Are the cats white?", "Yes"],
    ["How many dogs are in the image?", "four"],
]  # fmt: skip


def merges():
    """So that each word is a token, alone and after a space, as in Qwen's vocabulary."""
    for word in WORDS:
        for end in range(1, len(word)):
            yield word[:end], word[end]
        yield "Ġ", word


@torch.no_grad()
def published(folder, image):
    """GenEval 2's loop: image, then the question; one greedy step; softmax; the first token of each way."""
    net = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
    net.generation_config = transformers.GenerationConfig(eos_token_id=net.generation_config.eos_token_id)
    words = transformers.AutoTokenizer.from_pretrained(folder)
    pixels = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    video = transformers.models.qwen3_vl.video_processing_qwen3_vl.Qwen3VLVideoProcessor()
    whole = transformers.Qwen3VLProcessor(image_processor=pixels, tokenizer=words, video_processor=video)
    found = []
    for question, answer in ATOMS:
        text = {"type": "text", "text": f"{question} Answer in one word."}
        said = [{"role": "user", "content": [{"type": "image"}, text]}]
        asked = whole.apply_chat_template(
            said, chat_template=TEMPLATE, tokenize=False, add_generation_prompt=True
        )
        made = net.generate(
            **whole(text=[asked], images=[image], return_tensors="pt"),
            max_new_tokens=1, do_sample=False, output_scores=True, return_dict_in_generate=True,
        )  # fmt: skip
        chances = made.scores[0].softmax(-1)[0]
        digit = {"two": "2", "four": "4"}.get(answer, "")
        ways = [answer, answer.capitalize(), " " + answer, " " + answer.capitalize(), digit, " " + digit]
        ways = ways if question.startswith("How many") else ["Yes", "yes", " yes", " Yes"]
        found.append(sum(float(chances[words.encode(way)[0]]) for way in ways))
    return found


def test_both_means_equal_the_published_loop(tmp_path):
    folder = save(tmp_path / "m", qwen3, labels=("Yes", "two"), merges=tuple(dict.fromkeys(merges())))
    rng = np.random.default_rng(3)
    images = tuple(Image.fromarray(rng.integers(0, 256, (40 + 16 * i, 56, 3), np.uint8)) for i in range(4))
    group = rankkit.Group("cats", images, metadata={"vqa_list": ATOMS})
    expected = [published(folder, image) for image in images]
    for mean, of in (("am", np.mean), ("gm", lambda values: math.prod(values) ** (1 / len(values)))):
        ranker = rankkit.load("geneval2", model=folder, cache=None, device="cpu", mean=mean)
        (ranking,) = ranker.rank([group])
        assert ranking.scores == pytest.approx([float(of(values)) for values in expected], rel=1e-5)
    told = [[p for _, _, p in details["atoms"]] for details in ranking.details]
    assert_parity(np.ravel(told), np.ravel(expected))
