"""Preferences from disk teach as a live ranker does, in both modes, and bad files are named."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from PIL import Image
from toy_generator import SETTINGS, ToyGenerator, redness

from drpo.data.stored_pairs import Choice, OfflineTrainer, read
from drpo.features.latent import Latent
from rankkit import Group, RankkitError

RED, BLUE = Image.new("RGB", (8, 6), (230, 60, 60)), Image.new("RGB", (8, 6), (60, 60, 230))


@pytest.mark.parametrize("offline", ["pictures", "rank"])
def test_chosen_pictures_teach(offline: Literal["pictures", "rank"]) -> None:
    toy = ToyGenerator()
    trainer = OfflineTrainer(
        replace(SETTINGS, radii=(0.5, 1.0), offline=offline), toy, Latent(), [Choice("a", (RED,), (BLUE,))]
    )
    for _ in range(40):
        trainer.update()
    images = toy.sample("a", toy.noise(64, 7)).images()
    assert sum(redness(Group("a", images))) / 64 > 30


def test_jsonl_rows_are_read_and_a_bad_one_is_named(tmp_path: Path) -> None:
    RED.save(tmp_path / "red.png")
    BLUE.save(tmp_path / "blue.png")
    rows = [
        {"prompt": "a", "chosen": "red.png", "rejected": ["blue.png", "blue.png"]},
        {"prompt": "b", "chosen": [], "rejected": "blue.png"},
    ]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (choice,) = read(tmp_path / "pairs.jsonl")
    assert choice.prompt == "a" and len(choice.rejected) == 2 and choice.chosen == (tmp_path / "red.png",)
    (tmp_path / "bad.jsonl").write_text('{"prompt": "a", "chosen": "missing.png", "rejected": "blue.png"}')
    with pytest.raises(RankkitError, match="line 1"):
        read(tmp_path / "bad.jsonl")


def test_pick_a_pic_parquet_is_read_and_ties_are_left_out(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    red, blue = io.BytesIO(), io.BytesIO()
    RED.save(red, "PNG")
    BLUE.save(blue, "PNG")
    columns = {
        "caption": ["a", "b", "c"],
        "jpg_0": [red.getvalue()] * 3,
        "jpg_1": [blue.getvalue()] * 3,
        "label_0": [1.0, 0.5, 0.0],
    }
    parquet.write_table(arrow.table(columns), tmp_path / "pairs.parquet")
    first, last = read(tmp_path / "pairs.parquet")
    assert (first.prompt, last.prompt) == ("a", "c")
    assert first.chosen == last.rejected == (red.getvalue(),) and first.rejected == last.chosen == (
        blue.getvalue(),
    )


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(RankkitError, match="not a Pick-a-Pic file"):
        read(tmp_path / "bad.parquet")


def test_a_damaged_picture_costs_its_turn_and_is_counted(tmp_path: Path) -> None:
    toy = ToyGenerator()
    row = OfflineTrainer(SETTINGS, toy, Latent(), [Choice("a", (b"torn",), (BLUE,))]).update()
    assert row["skipped"] == row["broken"] == 1 and not toy.shift.any()


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RankkitError, match=r"no preference file 'nowhere.jsonl'"):
        read(Path("nowhere.jsonl"))
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(RankkitError, match="holds no preference"):
        read(tmp_path / "empty.jsonl")
