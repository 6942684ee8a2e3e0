"""The ranker over a small package that has pyiqa's front end; and over pyiqa itself where it is installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from PIL import Image

import rankkit
from rankkit import Group
from rankkit.errors import RankkitError, UsageError
from rankkit.testing import check_ranker, sample_groups
from rankkit_pyiqa import Pyiqa

STAND_IN = """
from PIL import ImageStat
NR = {"brightness": False, "darkness": True, "fid": True}

def list_models(mode):
    return list(NR) if mode == "NR" else ["psnr"]

class create_metric:
    def __init__(self, name, device=None, pretrained_model_path=None):
        if name == "darkness" and pretrained_model_path:
            if pretrained_model_path == "other.pth":
                raise RuntimeError("Missing key(s) in state_dict")
            raise OSError("no such file: " + pretrained_model_path)
        if pretrained_model_path and name == "brightness":
            raise TypeError("unexpected keyword argument 'pretrained_model_path'")
        self.name, self.lower_better = name, NR[name]
        print("pyiqa talks on stdout")

    def __call__(self, image):
        mean = sum(ImageStat.Stat(image.convert("RGB")).mean)
        return mean if self.name == "brightness" else 765 - mean
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyiqa.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pyiqa", raising=False)


GROUP = Group("", tuple(Image.new("RGB", (16, 16), (level,) * 3) for level in (10, 200, 90)))


@pytest.mark.usefixtures("package")
def test_a_metric_where_lower_is_better_is_negated_and_its_rows_say_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (up,), (down,) = (
        rankkit.load(f"pyiqa:metric={name}").rank([GROUP]) for name in ("brightness", "darkness")
    )
    assert up.ranks == down.ranks == (3.0, 1.0, 2.0)
    assert down.scores[0] == -735 and down.details[0] == {"value": 735, "lower_is_better": True}
    assert not any(up.details)
    assert capsys.readouterr().out == ""  # stdout is for results


@pytest.mark.usefixtures("package")
def test_it_keeps_the_contract() -> None:
    load = lambda **more: rankkit.load("pyiqa", metric="darkness", **more)  # noqa: E731
    check_ranker(load(), reload=load)


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metric": "psnr"}, "metric=psnr: it is no model without a reference"),
        ({"metric": "fid"}, "metric=fid: it compares folders"),
        ({"metric": "brightnes"}, r"did you mean brightness\?"),
        ({"metric": "brightness", "checkpoint": "x.pth"}, "takes no checkpoint="),
    ],
)
def test_what_is_no_score_of_one_image_is_refused_in_words(options: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Pyiqa(**options)


@pytest.mark.usefixtures("package")
def test_weights_that_cannot_be_loaded_are_said_with_the_option_to_give() -> None:
    with pytest.raises(RankkitError, match=r"metric=darkness: .*no such file: x.pth.*give checkpoint=FILE"):
        Pyiqa(metric="darkness", checkpoint="x.pth")
    with pytest.raises(RankkitError, match=r"checkpoint=other.pth does not fit metric=darkness: Missing key"):
        Pyiqa(metric="darkness", checkpoint="other.pth")


@pytest.mark.skipif(importlib.util.find_spec("pyiqa") is not None, reason="pyiqa is installed here")
def test_without_pyiqa_one_is_told_how_to_get_it() -> None:
    sys.modules.pop("pyiqa", None)
    with pytest.raises(RankkitError, match="rankkit install pyiqa makes an environment of its own"):
        Pyiqa(metric="niqe")


@pytest.mark.skipif(importlib.util.find_spec("pyiqa") is None, reason="pyiqa is in an environment of its own")
def test_pyiqas_own_metrics_without_weights_order_images() -> None:
    (ranking,) = Pyiqa(metric="entropy").rank(sample_groups()[:1])
    assert not any(score != score for score in ranking.scores)
