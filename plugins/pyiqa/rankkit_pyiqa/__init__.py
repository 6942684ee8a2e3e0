"""pyiqa's no-reference image quality models as one ranker, in an environment of its own.

Nothing of pyiqa is copied here and nothing of ours depends on it: its licence (PolyForm Noncommercial 1.0.0,
parts NTU S-Lab 1.0) forbids commercial use. Its own front end reads the image and runs the model.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import sys
from collections.abc import Sequence
from typing import Any

from PIL import Image

from rankkit import Pointwise, RankkitError, Scored, UsageError
from rankkit.plugin import reason_of, versions_of

LEFT_OUT = {  # NR by pyiqa's list, and no score of one image alone
    "fid": "it compares folders",
    "sfid": "it compares folders",
    "fid_dinov2": "it compares folders",
    "inception_score": "it is of a folder",
    "clipscore": "it needs the prompt, which the ranker clip is for",
    "fgresq_pair": "it compares two images",
    "compare2score": "it compares with anchor images, and gives no score by itself",
}


class Pyiqa(Pointwise):
    """The quality of an image, without a reference and without its prompt, by a model of pyiqa.

    `metric`: its name there, such as niqe, brisque, musiq, clipiqa, topiq_nr or maniqa. Where lower is better
    the score is the negative, which each row's details say. `checkpoint`: a file of weights in place of the
    one that pyiqa downloads. `device`: auto, cpu, cuda or cuda:1.
    """

    def __init__(self, *, metric: str = "musiq", checkpoint: str = "", device: str = "auto") -> None:
        with contextlib.redirect_stdout(sys.stderr):
            package = _package()
        _check(metric, package.list_models("NR"))
        options: dict[str, Any] = {"pretrained_model_path": checkpoint} if checkpoint else {}
        if device != "auto":
            options["device"] = importlib.import_module("torch").device(device)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                self.model = package.create_metric(metric, **options)
        except TypeError as error:
            if not checkpoint:
                raise
            raise UsageError(
                f"metric={metric} of pyiqa takes no checkpoint= ({error}); leave it out"
            ) from None
        except OSError as error:  # of whatever pyiqa downloads by
            raise RankkitError(
                f"metric={metric}: pyiqa could not load its weights ({error}); without network give "
                "checkpoint=FILE with a downloaded copy"
            ) from None
        except (RuntimeError, KeyError) as error:
            if not checkpoint:
                raise
            raise RankkitError(
                f"checkpoint={checkpoint} does not fit metric={metric}: {reason_of(error)}; "
                "give the file that pyiqa itself would download for it"
            ) from None
        self.sign = -1.0 if self.model.lower_better else 1.0

    @classmethod
    def version(cls, *, metric: str = "musiq", **_: Any) -> str:
        """The version of pyiqa and the model's name; weights by another name have no other score here."""
        return f"{versions_of('pyiqa')}+{metric}"

    def score(self, images: Sequence[Image.Image]) -> list[Scored]:
        """One call of the model for each image, as pyiqa's own front end makes: sizes differ."""
        return [self._one(image) for image in images]

    def _one(self, image: Image.Image) -> Scored:
        with contextlib.redirect_stdout(sys.stderr):
            value = float(self.model(image))
        if self.sign > 0:
            return Scored(value)
        return Scored(-value, details={"value": value, "lower_is_better": True})


def _check(metric: str, known: Sequence[str]) -> None:
    """Raise `UsageError` for what is no model of one image alone."""
    usable = [name for name in known if name not in LEFT_OUT]
    if metric in usable:
        return
    why = LEFT_OUT.get(metric, "it is no model without a reference")
    near = difflib.get_close_matches(metric, usable, 3, 0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise UsageError(f"metric={metric}: {why}{hint or '.'} Those of pyiqa here are {', '.join(usable)}")


def _package() -> Any:
    try:
        return importlib.import_module("pyiqa")
    except ModuleNotFoundError as error:
        if error.name != "pyiqa":
            raise
        raise RankkitError(
            "pyiqa is not installed here, and must not be a dependency (its licence forbids commercial use); "
            "rankkit install pyiqa makes an environment of its own for it"
        ) from None
