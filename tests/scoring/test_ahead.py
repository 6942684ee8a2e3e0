"""A run prepares images ahead for rankers in two stages: fewer waits, the same rows."""

import sys
import threading

import numpy as np
import pytest
from PIL import Image
from score_runs import by_name, folder, rows, score

from rankkit import Pointwise, RunStopped
from rankkit.scoring import chunks

HERE = __name__


class Plain(Pointwise):
    """The mean of a small image, prepared where it is scored."""

    def score(self, images, prompts):
        return [float(small(image).mean()) for image in images]


class Staged(Pointwise):
    """The same in two stages."""

    batch_size = 3
    made, batches = 0, []

    def prepare(self, image):
        type(self).made += 1
        if image.getpixel((0, 0))[0] < 8:
            raise ValueError("too dark")
        return small(image)

    def score(self, prepared, prompts):
        self.batches.append(len(prepared))
        return [float(pixels.mean()) for pixels in prepared]


class Sharing(Staged):
    """One that prepares images as `Shares` does, and says so."""

    preparation = "ahead_rankers small"


class Shares(Sharing):
    """Another, which sees other numbers in them."""

    def score(self, prepared, prompts):
        return [-float(pixels.max()) for pixels in prepared]


class Stops(Staged):
    """One whose first stage ends the run at a certain image."""

    at = (0, 0, 0)

    def prepare(self, image):
        if image.getpixel((0, 0)) == self.at:
            raise RunStopped("enough")
        return small(image)


def small(image):
    image.thumbnail((8, 8))  # in place, as some rankers do
    return np.asarray(image, np.float32)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 4)
    monkeypatch.setitem(sys.modules, "ahead_rankers", sys.modules[HERE])
    for ranker in (Staged, Stops, Sharing, Shares):
        monkeypatch.setattr(ranker, "made", 0)
    Staged.batches.clear()


def test_two_stages_give_the_rows_of_one_beside_other_rankers_too(tmp_path):
    folder(tmp_path / "in", map(str, range(30)), prompt="x")
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    score(tmp_path / "in", ["ahead_rankers:Plain", "ahead_rankers:Staged", "sharpness"], tmp_path / "a.jsonl")
    score(tmp_path / "in", "ahead_rankers:Staged", tmp_path / "b.jsonl")
    both = rows(tmp_path / "a.jsonl")
    plain, staged = (
        by_name([row for row in both if row["ranker"] == f"ahead_rankers:{name}"])
        for name in ("Plain", "Staged")
    )
    dark = [name for name, row in staged.items() if row["error"] == "ValueError: too dark"]
    assert plain.keys() == staged.keys() and len(plain) == 31 and 0 < len(dark) < 10
    assert all(staged[name]["score"] == plain[name]["score"] for name in plain if name not in dark)
    assert by_name(rows(tmp_path / "b.jsonl")) == staged
    score(tmp_path / "in", "sharpness", tmp_path / "c.jsonl")
    assert by_name(rows(tmp_path / "c.jsonl")) == by_name(
        [row for row in both if row["ranker"] == "sharpness"]
    ), "another ranker saw what the first stage did to the image"


def test_images_are_prepared_once_and_scored_in_full_batches(tmp_path):
    folder(tmp_path / "in", map(str, range(20)), prompt="x")
    score(tmp_path / "in", "ahead_rankers:Staged", tmp_path / "rows.jsonl")
    failed = sum(row["error"] is not None for row in rows(tmp_path / "rows.jsonl"))
    assert Staged.made == 20 and sum(Staged.batches) == 20 - failed


def test_rankers_that_state_the_same_preparation_prepare_an_image_once(tmp_path):
    folder(tmp_path / "in", map(str, range(20)), prompt="x")
    names = ["ahead_rankers:Sharing", "ahead_rankers:Shares"]
    score(tmp_path / "in", names, tmp_path / "both.jsonl")
    assert Sharing.made + Shares.made == 20
    for name in names:
        score(tmp_path / "in", name, tmp_path / f"{name}.jsonl")
    alone = [row for name in names for row in rows(tmp_path / f"{name}.jsonl")]
    both = rows(tmp_path / "both.jsonl")
    assert sorted(map(repr, both)) == sorted(map(repr, alone))


def test_an_image_without_the_prompt_that_is_needed_is_not_prepared(tmp_path):
    folder(tmp_path / "in", "abcdef")
    folder(tmp_path / "in" / "with", "a", prompt="x")
    score(tmp_path / "in", "ahead_rankers:Staged", tmp_path / "rows.jsonl")
    assert Staged.made == 1


def test_the_next_chunk_is_prepared_while_one_is_scored(tmp_path, monkeypatch):
    folder(tmp_path / "in", map(str, range(12)), prompt="x")
    monkeypatch.setattr(chunks, "AHEAD", 1)  # whatever the number of cores
    prepared_ahead = threading.Event()
    threads = []

    class Counted(Staged):
        def prepare(self, image):
            threads.append(threading.get_ident())
            if len(threads) == chunks.CHUNK + 1:  # the first of the second chunk
                prepared_ahead.set()
            return np.asarray(image, np.float32)

        def score(self, prepared, prompts):
            assert prepared_ahead.wait(30), "nobody prepared the next chunk"
            return super().score(prepared, prompts)

    monkeypatch.setattr(sys.modules[HERE], "Staged", Counted)
    score(tmp_path / "in", "ahead_rankers:Staged", tmp_path / "rows.jsonl")
    assert len(rows(tmp_path / "rows.jsonl")) == 12
    assert threading.get_ident() not in threads[1:]  # the first image builds the ranker


def test_a_first_stage_that_ends_the_run_keeps_what_was_scored(tmp_path, monkeypatch):
    folder(tmp_path / "in", "abcdefghijkl", prompt="x")
    with Image.open(tmp_path / "in" / "k.png") as image:
        monkeypatch.setattr(Stops, "at", image.getpixel((0, 0)))
    with pytest.raises(RunStopped, match="enough"):
        score(tmp_path / "in", "ahead_rankers:Stops", tmp_path / "rows.jsonl")
    kept = (tmp_path / "rows.jsonl.journal").read_bytes().count(b"\n")
    assert kept == 8
