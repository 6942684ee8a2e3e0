"""VQAScore (Lin et al. 2024, arXiv 2404.01291): P("Yes") of a model asked whether a figure shows a text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image
from typing_extensions import Unpack

from rankkit import Pointwise, Scored
from rankkit.errors import BadOption
from rankkit_vlm_judge.images import EncodedImage, EncodedImages
from rankkit_vlm_judge.options import Connection, check_side
from rankkit_vlm_judge.published.asking import abstention, ask_for_probabilities, version
from rankkit_vlm_judge.published.questions import Likely, between, known

if TYPE_CHECKING:
    from rankkit_vlm_judge.budget import Budget
    from rankkit_vlm_judge.calls import Transport
    from rankkit_vlm_judge.local import ModelSource

# as github.com/linzhiqiu/t2v_metrics asks Qwen2.5-VL and Qwen3-VL
QUESTION = 'Does this figure show "{}"? Please answer Yes or No.'
ANSWER = ("Yes",)
# and CLIP-FlanT5, with the conversation that it was trained in
FLAN_QUESTION = 'Does this figure show "{}"? Please answer yes or no.'
FLAN_BEFORE = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. USER: "
)
FLAN_AFTER = "\n{} ASSISTANT: "


class VqaScore(Pointwise):
    """P("Yes") as the first token of the answer to whether an image shows its prompt, in [0, 1].

    Among all tokens, in the published words, on the whole image. `model`: a Qwen2.5-VL or Qwen3-VL (any model
    that transformers loads for images and text), or a CLIP-FlanT5 as the paper's, for which `vision` and
    `tokenizer` name CLIP and T5 where the checkpoint does not hold them; with `url` a server's model, where
    it gives log-probabilities. `max_side`: the longer side in pixels that images are scaled down to.
    """

    version = version(QUESTION, FLAN_BEFORE, FLAN_QUESTION)

    def __init__(
        self,
        *,
        max_side: int | None = None,
        vision: str | None = None,
        tokenizer: str | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        self.max_side = check_side(max_side)
        self.vision, self.tokenizer, self.question = vision, tokenizer, does_it_show
        self.asker = ask_for_probabilities(connection, local=self._load)

    def _load(self, source: ModelSource, budget: Budget, **options: Any) -> Transport:
        """A model here: CLIP-FlanT5, which is asked in its own way, or any that transformers loads."""
        from rankkit_vlm_judge.local import Local
        from rankkit_vlm_judge.local.clip_t5 import ClipT5, is_clip_t5

        if is_clip_t5(source):
            self.question = does_it_show_flan
            return ClipT5(source, budget, **options, vision=self.vision, tokenizer=self.tokenizer)
        for name in ("vision", "tokenizer"):
            if getattr(self, name) is not None:
                raise BadOption(
                    f"{name}= is for a CLIP-FlanT5, which model={source.name} is not; leave it out"
                )
        return Local(source, budget, **options)

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[Scored]:
        """P("Yes") for every image; NaN with ``error`` and ``failure`` where it is not known."""
        encoded = EncodedImages(self.max_side)
        asked = [self.question(encoded[image], prompt) for image, prompt in zip(images, prompts, strict=True)]
        found = []
        for verdict in self.asker.verdicts(asked):
            details = {"tokens": verdict.tokens, **self.asker.whom}
            if verdict.outcome != "ok":
                found.append(abstention(verdict, details))
            elif not known(verdict):
                unknown = between(verdict.p, verdict.mass, "P(Yes)")
                found.append(Scored(math.nan, details={**details, **unknown}))
            else:
                found.append(Scored(verdict.p, details=details))
        return found


def does_it_show(image: EncodedImage, text: str) -> Likely:
    """The published question about one image and its text."""
    return Likely("", (image, QUESTION.replace("{}", text)), ANSWER)


def does_it_show_flan(image: EncodedImage, text: str) -> Likely:
    """The same for CLIP-FlanT5."""
    question = FLAN_QUESTION.replace("{}", text)
    return Likely("", (FLAN_BEFORE, image, FLAN_AFTER.replace("{}", question)), ANSWER)
