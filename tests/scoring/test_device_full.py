"""Rankers that do not fit into a device together score one after the other, and the rows are the same."""

import sys
import weakref
from typing import ClassVar

import pytest
from PIL import Image
from score_runs import folder, rows, score

from rankkit import Pointwise
from rankkit.errors import BrokenRanker, DeviceFull
from rankkit.io.prompts import survey
from rankkit.registry.load import prepare
from rankkit.scoring import chunks, engine
from rankkit.scoring.ray import chunks as ray_chunks
from rankkit.scoring.shards import one

BOTH = ["full_rankers:First", "full_rankers:Second"]


class Device:
    """Memory for so many models, and for their images beside them."""

    room, images = 1, 1
    large: ClassVar[set] = set()
    models: ClassVar[weakref.WeakSet] = weakref.WeakSet()


class First(Pointwise):
    """A model on the device; refers to itself, as models with hooks do."""

    batch_size = 3
    loaded: ClassVar[list] = []

    def __init__(self):
        if Device.room <= len(Device.models):
            raise DeviceFull("no free memory on cuda for the weights; give device=cpu")
        Device.models.add(self)
        self.loaded.append((type(self).__name__, len(Device.models)))
        self.own = self

    def prepare(self, image):
        return image.getpixel((0, 0))

    def score(self, prepared):
        if Device.images < len(Device.models) and Device.large & set(prepared):
            raise DeviceFull("no free memory on cuda for 1 images; give a smaller batch_size")
        return [self.value(pixel) for pixel in prepared]

    def value(self, pixel):
        return float(pixel[0])


class Second(First):
    """Another."""

    def value(self, pixel):
        return float(pixel[1]) if pixel[2] > 40 else float("nan")


@pytest.fixture(autouse=True)
def device(monkeypatch, tmp_path):
    monkeypatch.setattr(chunks, "CHUNK", 4)
    monkeypatch.setitem(sys.modules, "full_rankers", sys.modules[__name__])
    monkeypatch.setattr(Device, "room", 9)
    monkeypatch.setattr(Device, "images", 9)
    monkeypatch.setattr(Device, "large", set())
    First.loaded.clear()
    folder(tmp_path / "in", map(str, range(30)), prompt="x")
    score(tmp_path / "in", BOTH, tmp_path / "together.jsonl")
    assert First.loaded == [("First", 1), ("Second", 2)]
    First.loaded.clear()
    return Device


def first_pixel(path):
    with Image.open(path) as image:
        return image.getpixel((0, 0))


def run(place, **options):
    """Both rankers on the images: the outcome, the rows, what was said and how far the bar went."""
    said, steps = [], []

    class Bar:
        def __init__(self, total):
            self.total = total

        def __enter__(self):
            return steps.append

        def __exit__(self, error, *_):
            assert error or sum(steps) == self.total

    outcome = score(place / "in", BOTH, place / "apart.jsonl", say=said.append, progress=Bar, **options)
    return outcome, rows(place / "apart.jsonl"), [text for text in said if "one after the other" in text]


def test_weights_without_room_beside_others_are_loaded_when_the_others_are_gone(
    device, tmp_path, monkeypatch
):
    monkeypatch.setattr(device, "room", 1)
    outcome, found, said = run(tmp_path)
    assert First.loaded == [("First", 1), ("First", 1), ("Second", 1)], "one was loaded beside another"
    assert found == rows(tmp_path / "together.jsonl")
    assert (outcome.scored, outcome.reused) == (60, 0) and len(said) == 1
    assert "First and full_rankers:Second do not fit into the device together (no free memory on" in said[0]


def test_rankers_that_are_kept_from_shard_to_shard_make_room_for_one_another(device, tmp_path, monkeypatch):
    monkeypatch.setattr(device, "room", 1)
    kept = [one._kept(prepare(spec)) for spec in BOTH]
    engine.score(survey([tmp_path / "in"]), kept, tmp_path / "apart.jsonl")
    assert rows(tmp_path / "apart.jsonl") == rows(tmp_path / "together.jsonl")


def test_an_image_without_room_beside_other_rankers_is_scored_when_they_are_gone(
    device, tmp_path, monkeypatch
):
    """The large image comes when many are scored: these scores stand, and are counted once."""
    monkeypatch.setattr(device, "large", {first_pixel(tmp_path / "in" / "20.png")})
    monkeypatch.setattr(device, "images", 1)
    outcome, found, said = run(tmp_path)
    assert found == rows(tmp_path / "together.jsonl") and len(said) == 1
    assert (outcome.scored, outcome.reused) == (60, 0)
    assert not any(row["error"] and "memory" in row["error"] for row in found)


def test_rankers_that_do_not_fit_into_the_device_of_a_worker_of_ray_score_one_after_the_other(
    device, tmp_path, monkeypatch
):
    def in_this_process(pools, **options):
        (pool,) = pools
        scorer = pool.worker(*pool.arguments)
        yield from ((pool, task, scorer.score(task)) for task in pool.tasks)

    monkeypatch.setattr(ray_chunks, "on_ray", in_this_process)
    monkeypatch.setattr(device, "room", 1)
    outcome, found, said = run(tmp_path, engine=ray_chunks.OnRay())
    assert found == rows(tmp_path / "together.jsonl") and len(said) == 1
    assert (outcome.scored, outcome.reused) == (60, 0)


def test_an_image_that_does_not_fit_by_itself_abstains_and_the_others_are_scored(
    device, tmp_path, monkeypatch
):
    monkeypatch.setattr(device, "images", 0)
    monkeypatch.setattr(device, "large", {first_pixel(tmp_path / "in" / "20.png")})
    score(tmp_path / "in", BOTH[0], tmp_path / "alone.jsonl")
    errors = [row["error"] for row in rows(tmp_path / "alone.jsonl") if row["error"]]
    assert errors == ["no free memory on cuda for 1 images; give a smaller batch_size"]


def test_a_model_that_does_not_fit_by_itself_ends_the_run_with_what_to_change(device, tmp_path, monkeypatch):
    monkeypatch.setattr(device, "room", 0)
    with pytest.raises(BrokenRanker, match="give device=cpu") as raised:
        run(tmp_path)
    assert not isinstance(raised.value, DeviceFull)
