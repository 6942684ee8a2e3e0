"""Reading images with RapidOCR: PP-OCR's detector and recogniser in ONNX, out of the wheel, on the CPU."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Iterable
from functools import cached_property
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from PIL import Image

from rankkit import Pointwise, Scored
from rankkit.errors import BadOption
from rankkit_ocr.text import likeness, plain, quoted

REMEMBERED = 4096  # images
# The engine would enlarge every image until its shorter side has 736 pixels: minutes for a narrow one, and
# letters that fall apart.
SIDE = {"Det.limit_type": "max", "Det.limit_side_len": 960}


class Ocr(Pointwise):
    """1 - normalised edit distance, in [0, 1], between the text a prompt quotes and what an image shows.

    Case and white space do not matter. With several quoted texts each is looked for, and letters weigh alike.
    `match`: with "anywhere" other text in the image does no harm (the quoted text is compared with the
    passage most like it), with "whole" it counts as wrong. Words that are read with less than
    `min_confidence` are not taken as read. Abstains where the prompt quotes nothing, or letters that the
    reader does not know, such as Cyrillic ones.
    """

    version = f"rapidocr-{version('rapidocr')}"

    def __init__(
        self,
        *,
        match: Literal["anywhere", "whole"] = "anywhere",
        min_confidence: float = 0.5,
        threads: int = -1,
    ) -> None:
        from rapidocr import RapidOCR

        if not 0 <= min_confidence <= 1:
            raise BadOption(f"min_confidence={min_confidence} is not between 0 and 1")
        self.anywhere = match == "anywhere"
        settings = {**SIDE, "Global.text_score": min_confidence, "Global.log_level": "error"}
        self._lately: dict[bytes, list[str]] = {}
        self.engine: Any = RapidOCR(
            params={**settings, "EngineConfig.onnxruntime.intra_op_num_threads": threads}
        )

    def score(self, image: Image.Image, prompt: str) -> Scored:
        """How much of the quoted text can be read; the details say what was wanted and what was read."""
        wanted = quoted(prompt)
        if not wanted:
            return Scored(
                math.nan,
                details={
                    "error": 'the prompt quotes no text; put what the image is to say into a pair of "quotes"'
                },
            )
        strange = self.unknown(wanted)
        if strange:
            return Scored(
                math.nan,
                details={
                    "error": f"the reader does not know the letters {strange!r}, whatever an image shows"
                },
            )
        lines = self.read(image)
        return Scored(
            likeness(wanted, " ".join(lines), anywhere=self.anywhere),
            details={"wanted": wanted, "read": lines},
        )

    def unknown(self, wanted: Iterable[str]) -> str:
        """The letters and symbols (emoji, say) in texts that the reader can never read."""
        letters = dict.fromkeys(
            letter
            for text in wanted
            for letter in plain(text)
            if letter.isalpha() or unicodedata.category(letter) == "So"
        )
        return "".join(letter for letter in letters if self.alphabet and letter not in self.alphabet)

    @cached_property
    def alphabet(self) -> frozenset[str]:
        """What the reader can tell apart, as it is compared; empty where its model does not say."""
        import onnxruntime

        models = [
            path
            for path in (files("rapidocr") / "models").iterdir()
            if "_rec_" in path.name and path.name.endswith(".onnx")
        ]
        if len(models) != 1:
            return frozenset()
        session = onnxruntime.InferenceSession(str(models[0]), providers=["CPUExecutionProvider"])
        known = session.get_modelmeta().custom_metadata_map.get("character", "")
        return frozenset(letter for line in known.split("\n") for letter in plain(line))

    def read(self, image: Image.Image) -> list[str]:
        """The lines of text in an image, from top to bottom.

        What was read lately is remembered: reading takes long, lines are short.
        """
        key = hashlib.sha256(repr(image.size).encode() + image.tobytes()).digest()
        if key not in self._lately:
            if len(self._lately) >= REMEMBERED:
                del self._lately[next(iter(self._lately))]
            self._lately[key] = self._read(image)
        return self._lately[key]

    def _read(self, image: Image.Image) -> list[str]:
        # the engine takes blue first
        pixels_HWC = np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])
        found = self.engine(pixels_HWC)
        return [str(line) for line in found.txts or ()]
