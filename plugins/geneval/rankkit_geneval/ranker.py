"""The ranker `geneval`: is everything in the image that the prompt asks for?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from PIL import Image

import rankkit
from rankkit_geneval import prompts
from rankkit_geneval.verdicts.clauses import BadClause, parse, tag_of
from rankkit_geneval.verdicts.judge import COUNTING_THRESHOLD, THRESHOLD, judge, keep

if TYPE_CHECKING:
    from rankkit_geneval.colors import ColorNamer
    from rankkit_geneval.detector.mask2former import Detector, Found

Mode = Literal["correct", "graded", "flow_grpo"]


AMONG = 32  # images among which those of one size are chosen for a batch of the detector


@dataclass(frozen=True, slots=True)
class Seen:
    """An image, from which coloured things are cut out, and what its detector is given of it."""

    image: Image.Image
    pixels: Any

    @property
    def nbytes(self) -> int:
        """The memory beside the image's own."""
        return int(getattr(self.pixels, "nbytes", 0))


class Judged(rankkit.Pointwise):
    """Images judged by GenEval's rules, with a detector and a namer of colours of your own.

    Scores of another detector are not GenEval's: name such a ranker otherwise. `mode`: which number of the
    `Verdict` is the score.
    """

    def __init__(self, detector: Detector, colors: ColorNamer, *, mode: Mode = "correct") -> None:
        self.detector, self.colors, self.mode = detector, colors, mode

    def prepare(self, image: Image.Image) -> Seen:
        """What the detector is given of one image, beside the image."""
        return Seen(image, self.detector.prepare(image))

    def score(
        self, prepared: Sequence[Seen], prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> list[rankkit.Scored]:
        """One score per image.

        What nobody can judge, for want of metadata or of sense in them, abstains before the detector is run.
        """
        demands = [self._demand(prompt, found) for prompt, found in zip(prompts, metadata, strict=True)]
        judged = [place for place, demand in enumerate(demands) if not isinstance(demand, BadClause)]
        pixels = [prepared[place].pixels for place in judged]
        found = dict(zip(judged, self.detector.detect(pixels), strict=True)) if judged else {}
        return [
            rankkit.Scored(math.nan, details={"error": str(demand)})
            if isinstance(demand, BadClause)
            else self._judge(prepared[place].image, demand, found[place])
            for place, demand in enumerate(demands)
        ]

    def _demand(self, prompt: str, metadata: Mapping[str, Any]) -> Mapping[str, Any] | BadClause:
        try:
            demand = find_metadata(prompt, metadata)
            parse(demand, self.detector.classes)
            return demand
        except BadClause as error:
            return error

    def _judge(self, image: Image.Image, metadata: Mapping[str, Any], found: Found) -> rankkit.Scored:
        named: dict[str, list[str]] = {}

        def name_color(thing: str, detection: Any) -> str:
            color = self.colors.name(image, thing, detection)
            named.setdefault(thing, []).append(color)
            return color

        verdict = judge(metadata, found, name_color=name_color)
        counting = metadata.get("tag") == "counting"
        counted = partial(keep, threshold=COUNTING_THRESHOLD if counting else THRESHOLD)
        details = {
            "tag": tag_of(metadata),
            "correct": verdict.correct,
            "strict": verdict.strict,
            "graded": verdict.graded,
            "flow_grpo": verdict.flow_grpo,
            "reason": verdict.reason,
            "detections": {
                name: [[*each.box, each.score] for each in kept]
                for name, things in found.items()
                if (kept := counted(things))
            },
            "colors": named,
            "weights": self.detector.weights,
        }
        return rankkit.Scored(float(getattr(verdict, self.mode)), details=details)


class GenEval(Judged):
    """GenEval (Ghosh et al. 2023, arXiv 2310.11513) without mmdet.

    The official detector and its thresholds; CLIP for colours.

    `mode`: correct is the official verdict, 0 or 1; graded, in [0, 1], says how far each check is met;
    flow_grpo is the reward that Flow-GRPO trains on, for comparison. `checkpoint`: a folder made by
    ``python -m rankkit_geneval convert``, mmdet's .pth file, or a name on the hub. `clip`: CLIP ViT-L/14
    with OpenAI's weights, a folder or a name on the hub. `canary`: see at construction that the detector
    finds the cat in a bundled image. Other weights, and half precision, are not the published metric.
    """

    version: ClassVar[str] = (
        "mmdet-2.28.2"  # whose pixels and masks these are; the weights are in each row's details
    )

    def __init__(
        self,
        *,
        mode: Mode = "correct",
        checkpoint: str = "tsbpp/geneval_mask2former",
        clip: str = "openai/clip-vit-large-patch14",
        device: str = "auto",
        dtype: Literal["float32", "bfloat16", "float16"] = "float32",
        batch_size: int = 8,
        canary: bool = True,
    ) -> None:
        from rankkit_geneval.colors import Clip, NearestColor
        from rankkit_geneval.detector.mask2former import Mask2Former, check_canary

        if mode not in ("correct", "graded", "flow_grpo"):
            raise rankkit.RankkitError(f"mode={mode} is not one of correct, graded, flow_grpo")
        detector = Mask2Former(checkpoint, device=device, dtype=dtype, batch_size=batch_size)
        if canary:
            check_canary(detector)
        self.batch_size = max(batch_size, AMONG)
        super().__init__(detector, NearestColor(Clip(clip, device=device, dtype=dtype)), mode=mode)


def find_metadata(prompt: str, metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """The GenEval object of a prompt.

    It is the metadata that came with it, else that of the published prompt with this text.

    Raises `BadClause` where there is neither, saying how to give some.
    """
    if "include" in metadata or "exclude" in metadata:
        return metadata
    known = prompts.by_text().get(" ".join(prompt.split()))
    if known is None:
        raise BadClause(
            f"no metadata says what {prompt[:80]!r} asks for, "
            f"and it is none of GenEval's {len(prompts.by_text())} prompts; give GenEval's "
            "folders (00000/metadata.jsonl), or metadata with include clauses; "
            "python -m rankkit_geneval prompts shows what they look like"
        )
    return known
