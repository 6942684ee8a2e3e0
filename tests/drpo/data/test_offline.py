"""Preferences from disk teach as a live ranker does, in both modes, and are read as `rankkit agree` reads
them.
"""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from PIL import Image
from toy_generator import SETTINGS, ToyGenerator, redness

from drpo.config import Config
from drpo.data.stored_pairs import BUFFER, StoredAnchors, shuffled
from drpo.features.latent import Latent
from drpo.run.run import run
from drpo.train import Trainer
from rankkit import Group, RankkitError
from rankkit.plugin import Preference, open_preferences

RED, BLUE = Image.new("RGB", (8, 6), (230, 60, 60)), Image.new("RGB", (8, 6), (60, 60, 230))


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def pairs(folder: Path, *rows: dict[str, Any]) -> Path:
    RED.save(folder / "red.png")
    BLUE.save(folder / "blue.png")
    usual = {"prompt": "a", "chosen": "red.png", "rejected": "blue.png"}
    (folder / "pairs.jsonl").write_text("".join(json.dumps(usual | row) + "\n" for row in rows or [{}]))
    return folder / "pairs.jsonl"


def parquet(folder: Path, *rows: dict[str, Any]) -> Path:
    arrow, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    usual = {"caption": "a", "jpg_0": png(RED), "jpg_1": png(BLUE), "label_0": 1.0, "has_label": True}
    writer.write_table(arrow.Table.from_pylist([usual | row for row in rows]), folder / "pairs.parquet")
    return folder / "pairs.parquet"


def trainer(path: Path, toy: ToyGenerator | None = None, config: Config = SETTINGS) -> Trainer:
    generator = toy or ToyGenerator()
    return Trainer(
        config, generator, Latent(), StoredAnchors(open_preferences(path), config, generator, Latent())
    )


@pytest.mark.parametrize("offline", ["images", "rank"])
def test_chosen_images_teach(offline: Literal["images", "rank"], tmp_path: Path) -> None:
    toy = ToyGenerator()
    made = trainer(pairs(tmp_path), toy, replace(SETTINGS, radii=(0.5, 1.0), offline=offline))
    for _ in range(40):
        made.step()
    images = toy.sample("a", toy.noise(64, 7)).images()
    assert sum(redness(Group("a", images))) / 64 > 30


def test_a_run_does_not_go_on_from_other_choices_than_it_began_with(tmp_path: Path) -> None:
    run(trainer(pairs(tmp_path, {}, {"prompt": "b"}), config=replace(SETTINGS, steps=2)), tmp_path / "run")
    swapped = {"chosen": "blue.png", "rejected": "red.png"}
    other = pairs(tmp_path, {}, {"prompt": "b", **swapped})
    with pytest.raises(RankkitError, match=r"made with 2 preferences .* other ones now \(2\)"):
        run(trainer(other, config=replace(SETTINGS, steps=4)), tmp_path / "run")
    same = pairs(tmp_path, {}, {"prompt": "b"})
    run(trainer(same, config=replace(SETTINGS, steps=4)), tmp_path / "run")


def test_several_chosen_and_rejected_images_are_anchors_together(tmp_path: Path) -> None:
    path = pairs(tmp_path, {"chosen": ["red.png", "red.png"], "rejected": ["blue.png", "blue.png"]})
    (entry,) = open_preferences(path).entries()
    assert entry.human == (1.0, 1.0, 0.0, 0.0)
    assert trainer(path).step()["skipped"] == 0


def test_rows_nobody_labelled_do_not_train_and_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = parquet(
        tmp_path,
        {"has_label": False, "caption": "unlabelled"},
        {"label_0": 0.5, "caption": "tie"},
        {"caption": None},
    )
    made = trainer(path)
    assert {turn.prompt for _ in range(3) for turn in made.turns()} == {""}
    said = capsys.readouterr().err
    assert "1 preferences" in said and "1 entries without a choice" in said and "1 entries tied" in said
    assert "1 have no prompt" in said


def test_pick_a_pic_trains_from_shards_with_images_as_the_datasets_library_stores_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = {"jpg_0": {"bytes": png(RED), "path": None}, "jpg_1": {"bytes": png(BLUE), "path": None}}
    for number in range(2):
        file = parquet(tmp_path, stored, {**stored, "has_label": False}, {**stored, "label_0": None})
        (tmp_path / "shards").mkdir(exist_ok=True)
        file.rename(tmp_path / f"shards/train-{number:05d}-of-00002.parquet")
    assert trainer(tmp_path / "shards").step()["skipped"] == 0
    said = capsys.readouterr().err
    assert "shards: 2 preferences (Pick-a-Pic); 4 entries without a choice are left out" in said


def test_a_file_without_any_choice_is_named(tmp_path: Path) -> None:
    with pytest.raises(RankkitError, match=r"pairs\.parquet"):
        trainer(parquet(tmp_path, {"has_label": False}))


class Seen(ToyGenerator):
    """Keeps the pixels that it was given to encode."""

    def encode_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        self.pixels = pixels
        return super().encode_pixels(pixels)


def test_the_orientation_of_a_photo_is_applied(tmp_path: Path) -> None:
    left_is_red = Image.new("RGB", (20, 10), (0, 0, 255))
    left_is_red.paste((255, 0, 0), (0, 0, 10, 10))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter clockwise: what was left is on top
    left_is_red.save(tmp_path / "turned.jpg", quality=95, exif=exif)
    toy = Seen()
    toy.size = 8
    made = trainer(pairs(tmp_path, {"chosen": "turned.jpg"}), toy)
    assert isinstance(made.source, StoredAnchors)
    made.source.stored(made.source.entry(0))
    chosen = toy.pixels[0]
    assert chosen[0, 0].mean() > 0.5 > chosen[0, -1].mean()


def test_sixteen_bit_grey_is_not_clipped(tmp_path: Path) -> None:
    import numpy as np

    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "grey.png")
    path = pairs(tmp_path, {"chosen": "grey.png"})
    file = open_preferences(path)
    (entry,) = file.entries()
    image = file.image(entry.images[0]).image
    assert image is not None and image.getpixel((0, 0)) == (156, 156, 156)


def test_an_image_that_cannot_be_read_costs_its_turn_and_is_counted(tmp_path: Path) -> None:
    toy = ToyGenerator()
    made = trainer(parquet(tmp_path, {"jpg_0": b"torn"}), toy)
    row = made.step()
    assert row["skipped"] == row["broken"] == 1 and not toy.shift.any()
    assert made.source.reason


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"chosen": "nowhere.png"}, "line 1: nowhere.png does not exist"),
        ({"chosen": "/home/anna/a.png"}, "is an absolute path"),
        ({"chosen": "Why did the chicken cross the road?"}, r"cross the road\? does not exist"),
        ({"rejected": "data:image/png;base64,iVBORw0KGgo="}, "an image written as text is not read"),
    ],
)
def test_a_file_whose_images_are_all_missing_is_refused_before_anything_is_learned(
    row: dict[str, Any], why: str, tmp_path: Path
) -> None:
    with pytest.raises(RankkitError, match=rf"no entry has both images: .*{why}"):
        trainer(pairs(tmp_path, row, row))


def test_missing_images_and_choices_that_oppose_each_other_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opposite = {"chosen": "blue.png", "rejected": "red.png"}
    trainer(pairs(tmp_path, {}, opposite, {}, {"prompt": "b"}, {"chosen": "nowhere.png"}))
    said = capsys.readouterr().err
    assert "1 of the first 5 lack an image and will be skipped (line 5: nowhere.png does not exist)" in said
    assert "1 say the opposite of an earlier one about the same two images" in said


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RankkitError, match=r"nowhere\.jsonl"):
        open_preferences(tmp_path / "nowhere.jsonl")


def test_every_entry_has_its_turn_before_any_comes_again(tmp_path: Path) -> None:
    path = pairs(tmp_path, *[{"prompt": f"prompt {i}"} for i in range(5)])
    source = trainer(path).source
    seen = [source.prompt(number).text for number in range(15)]
    assert all(sorted(seen[start : start + 5]) == [f"prompt {i}" for i in range(5)] for start in (0, 5, 10))
    assert seen[:5] != seen[5:10] or seen[5:10] != seen[10:]


def test_a_turn_is_the_same_wherever_one_starts(tmp_path: Path) -> None:
    path = pairs(tmp_path, *[{"prompt": f"prompt {i}"} for i in range(7)])
    seen = [trainer(path).source.prompt(number).text for number in range(20)]
    straight = trainer(path).source
    assert [straight.prompt(number).text for number in range(20)] == seen
    skipping = trainer(path).source
    assert [skipping.prompt(number).text for number in range(0, 20, 3)] == seen[::3]


def test_turns_may_be_drawn_before_and_in_another_order_than_their_anchors_are_asked_for(
    tmp_path: Path,
) -> None:
    rows = [{"prompt": name, "chosen": f"{name}.png"} for name in "ab"]
    Image.new("RGB", (8, 8), (230, 230, 60)).save(tmp_path / "a.png")
    Image.new("RGB", (8, 8), (60, 230, 60)).save(tmp_path / "b.png")
    toy = ToyGenerator()
    made = trainer(pairs(tmp_path, *rows), toy)
    turns = list(made.turns())
    drawn = [made.source.draw(toy, turn) for turn in turns]
    for turn, one in reversed(list(zip(turns, drawn, strict=True))):
        sample = toy.sample(turn.prompt, one.noise)
        anchors, _ = made.source.anchors(turn, sample, {"latent": sample.latents}, one)
        assert anchors is not None
        (chosen,) = anchors.positive.values()
        assert (chosen.flatten()[0] > 0) == (turn.prompt == "a")  # yellow has red in it, green has not


def test_a_stream_longer_than_the_buffer_is_shuffled_without_loss() -> None:
    entries = [Preference(str(i), "a", ("x", "y"), (1.0, 0.0)) for i in range(3 * BUFFER)]
    found = list(shuffled(iter(entries), "seed"))
    assert found != entries and sorted(found, key=lambda entry: int(entry.where)) == entries
    assert list(shuffled(iter(entries), "seed")) == found != list(shuffled(iter(entries), "other"))
