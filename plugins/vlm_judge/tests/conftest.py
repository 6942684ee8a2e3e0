"""The test server, rankers that ask it, and groups of plain images."""

import pytest
from PIL import Image

import rankkit
from rankkit_vlm_judge.testing import JudgeServer

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def fake(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with JudgeServer() as server:
        yield server


@pytest.fixture
def load(fake, tmp_path):
    """Loads a ranker that asks the fake, with pauses too short to notice and a cache of its own."""

    def load_(name="vlm-judge", **options):
        usual = {
            "url": fake.url,
            "model": "brightness-1",
            "cache": str(tmp_path / "verdicts.sqlite"),
            "backoff": 0.001,
            "timeout": 5.0,
        }
        return rankkit.load(name, **{**usual, **options})

    return load_


@pytest.fixture
def greys():
    """A group of plain grey images, one per level."""

    def greys_(*levels, prompt="a bright image", id=""):
        return rankkit.Group(
            prompt, tuple(Image.new("RGB", (24, 24), (level, level, level)) for level in levels), id
        )

    return greys_
