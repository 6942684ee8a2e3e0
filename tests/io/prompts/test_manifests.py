"""Manifests and metadata files: which images they name, and where those lie."""

import json
import os

import pyarrow
import pyarrow.parquet
import pytest
from prompt_files import groups_of, look, prompts_of, put, refusals_of, source_of

from rankkit.errors import BadSource
from rankkit.scoring.ledger import Ledger

pytestmark = pytest.mark.usefixtures("here")


# --- manifests ---


@pytest.mark.parametrize("image", ["image", "image_path", "file_name", "path", "filename"])
@pytest.mark.parametrize("prompt", ["prompt", "text", "caption"])
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "json"])
def test_every_alias_is_read_in_every_format(image, prompt, suffix):
    put(dict.fromkeys(["d/a.png", "d/sub/b.png", "d/c.png"]))
    records = [
        {image: "a.png", prompt: "a cat, 'sat'\nhere", "seed": 7},
        {image: "sub/b.png", prompt: "a dog", "seed": 8},
    ]
    write_manifest(f"list.{suffix}", records)
    found = look("d", prompts=f"list.{suffix}")
    assert source_of(found) == "the manifest"
    assert prompts_of(found) == {"d/a.png": "a cat, 'sat'\nhere", "d/sub/b.png": "a dog", "d/c.png": ""}
    assert [dict(item.metadata) for item in found.items()] == [
        {"seed": "7" if suffix == "csv" else 7},
        {"seed": "8" if suffix == "csv" else 8},
        {},
    ]
    assert refusals_of(found) == dict.fromkeys(prompts_of(found))


def write_manifest(name, records):
    if name.endswith(".jsonl"):
        put({name: records})
    elif name.endswith(".json"):
        put({name: json.dumps(records)})
    elif name.endswith(".parquet"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), name)
    else:
        import csv

        with open(name, "w", newline="", encoding="utf-8-sig") as file:
            table = csv.DictWriter(file, records[0])
            table.writeheader()
            table.writerows(records)


def test_a_manifest_alone_names_images_beside_it_and_nothing_else():
    put({"data/list.jsonl": [{"image": "a.png", "prompt": "a cat"}], "data/a.png": None, "data/b.png": None})
    found = look("data/list.jsonl")
    assert prompts_of(found) == {"data/a.png": "a cat"} and refusals_of(found) == {"data/a.png": None}


def test_a_json_map_or_a_map_of_objects_is_a_manifest():
    put(
        {
            "a.png": None,
            "b.png": None,
            "map.json": {"a.png": "a cat", "b.png": {"prompt": "a dog", "seed": 1}},
        }
    )
    found = look("map.json")
    assert prompts_of(found) == {"a.png": "a cat", "b.png": "a dog"}
    assert [dict(item.metadata) for item in found.items()] == [{}, {"seed": 1}]


def test_lists_and_pairs_of_images_are_one_item_each():
    names = ["a.png", "b.png", "c.png", "d.png", "e.png", "f.png"]
    put(dict.fromkeys(names))
    put({"m.jsonl": [
        {"images": ["a.png", "b.png"], "prompt": "p"},
        {"path1": "c.png", "path2": "d.png", "caption": "q"},
        {"chosen": "e.png", "rejected": "f.png", "prompt": "r"},
        {"image_path": ["a.png", "c.png"], "rank": [1, 2], "prompt": "s"},
        {"image": {"path": "b.png", "bytes": None}, "text": "t"},
    ]})  # fmt: skip
    found = look("m.jsonl")
    assert [(item.name, item.prompt) for item in found.items()] == [
        *(("a.png", "p"), ("b.png", "p"), ("c.png", "q"), ("d.png", "q"), ("e.png", "r"), ("f.png", "r")),
        *(("a.png", "s"), ("c.png", "s"), ("b.png", "t")),
    ]
    assert list(found.items())[6].metadata == {"rank": [1, 2]}


def test_images_of_a_list_in_parquet_are_items_too():
    put(dict.fromkeys(["a.png", "b.png"]))
    write_manifest("m.parquet", [{"images": ["a.png", "b.png"], "prompt": "p"}])
    assert prompts_of(look("m.parquet")) == {"a.png": "p", "b.png": "p"}


def test_images_with_one_prompt_compete_unless_the_manifest_names_groups():
    put(dict.fromkeys(["a.png", "b.png", "c.png", "d.png"]))
    put(
        {
            "m.jsonl": [{"image": name, "prompt": "a cat"} for name in ("a.png", "b.png")]
            + [
                {"image": "c.png", "prompt": "a cat", "group": "other"},
                {"image": "d.png", "prompt": "a cat", "id": 7},
                {"image": "e.png", "prompt": "a cat", "id": 7},
            ]
        }
    )
    found = groups_of(look("m.jsonl"))
    assert found["a.png"] == found["b.png"] and found["a.png"].startswith("a-cat-")
    assert (found["c.png"], found["d.png"]) == ("other", "7")


def test_an_image_is_sought_in_the_folder_then_beside_the_manifest():
    put(dict.fromkeys(["d/a.png", "d/b.png", "a.png"]))
    put(
        {
            "m.jsonl": [
                {"image": "a.png", "prompt": "in the folder"},
                {"image": "d/b.png", "prompt": "beside"},
            ]
        }
    )
    assert prompts_of(look("d", prompts="m.jsonl")) == {"d/a.png": "in the folder", "d/b.png": "beside"}


def test_an_absolute_path_into_the_folder_is_the_same_image_and_is_listed_once(here):
    put(dict.fromkeys(["d/a.png", "d/b.png"]))
    put({"m.jsonl": [{"image": str(here / "d" / "a.png"), "prompt": "a cat"}]})
    assert [(item.name, item.prompt) for item in look("d", prompts="m.jsonl").items()] == [
        ("d/a.png", "a cat"),
        ("d/b.png", ""),
    ]


def test_a_missing_file_is_a_refusal_that_names_it():
    put(
        {
            "d/a.png": None,
            "m.jsonl": [{"image": "gone.png", "prompt": "x"}, {"image": "a.png", "prompt": "y"}],
        }
    )
    found = look("d", prompts="m.jsonl")
    assert prompts_of(found) == {"d/gone.png": "x", "d/a.png": "y"}
    assert refusals_of(found) == {"d/gone.png": "does not exist", "d/a.png": None}


@pytest.mark.parametrize("kind", ["dots", "deep dots", "sibling"])
def test_a_file_outside_the_folder_is_refused_though_it_exists(here, kind):
    put(dict.fromkeys(["secret.png", "data/a.png", "data-secret/b.png"]))
    name = {
        "dots": "../secret.png",
        "deep dots": "sub/../../secret.png",
        "sibling": "../data-secret/b.png",
    }
    put({"data/m.jsonl": [{"image": name[kind], "prompt": "x"}, {"image": "./sub/../a.png", "prompt": "y"}]})
    outside, inside = look("data/m.jsonl").items()
    assert outside.read() == f"the manifest m.jsonl names a file outside its folder: {name[kind]}"
    assert (inside.name, inside.prompt) == ("data/a.png", "y") and isinstance(inside.read(), bytes)


@pytest.mark.parametrize("name", ["a\0b.png", "\ud800.png", "x" * 5000 + ".png", "folder.png"])
def test_a_name_that_cannot_be_a_file_is_a_refusal(name):
    os.mkdir("folder.png")
    put({"m.jsonl": [{"image": name, "prompt": "x"}]})
    (item,) = look("m.jsonl").items()
    assert isinstance(item.read(), str)
    ledger = Ledger()
    assert list(ledger.plan([item])) and isinstance(next(ledger.items())[1].read(), str)


def test_duplicate_rows_are_one_image_each():
    put(
        {
            "d/a.png": None,
            "m.jsonl": [{"image": "a.png", "prompt": "x"}] * 3 + [{"image": "./a.png", "prompt": "x"}],
        }
    )
    assert len(list(Ledger().plan(look("d", prompts="m.jsonl").items()))) == 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("m.jsonl", '{"image": "a.png"}\n\n{"image": \n', r"m\.jsonl, line 3: not JSON"),
        (
            "m.jsonl",
            '{"image": "a.png"}\n["a.png"]\n',
            r"m\.jsonl, line 2: an object like .* is expected, not \[\"a\.png\"\]",
        ),
        (
            "m.jsonl",
            '{"image": "a.png"}\n{"prompt": "x"}\n',
            r"m\.jsonl, line 2: names no image; its columns are prompt, expected one of",
        ),
        ("m.csv", "prompt,seed\nx,1\n", r"m\.csv, line 2: names no image; its columns are prompt, seed"),
        ("m.json", "[1]", r"m\.json, entry 1: an object"),
        ("m.json", "{", r"m\.json: not JSON"),
        ("m.parquet", "no parquet", r"m\.parquet: not a parquet file"),
        ("m.jsonl", '{"image": "赤いリンゴ.png"}\n'.encode("shift-jis"), r"m\.jsonl: cannot be read"),
        ("m.csv", "image,prompt\n赤いリンゴ.png,x\n".encode("shift-jis"), r"m\.csv: cannot be read"),
    ],
)
def test_a_bad_manifest_is_named_with_the_line(name, content, reason):
    put({name: content})
    with pytest.raises(BadSource, match=reason):
        list(look(name).items())


def test_a_manifest_of_another_suffix_is_refused_with_those_there_are():
    put({"d/a.png": None, "prompts.yaml": "a.png: x"})
    with pytest.raises(
        BadSource,
        match=r"a manifest is a file in \.jsonl, .*, a \.txt file .*, or a folder of \.txt files",
    ):
        list(look("d", prompts="prompts.yaml").items())


def test_a_prompt_may_be_long_html_or_a_formula():
    long = "=cmd|'/C calc'!A0 <script>alert(1)</script> " + "x" * 10_000
    put({"a.png": None, "m.jsonl": [{"image": "a.png", "prompt": long}]})
    (item,) = look("m.jsonl").items()
    assert item.prompt == long and len(item.group) < 60


# --- Hugging Face imagefolder, and what is asked for alone ---


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_metadata_files_of_an_imagefolder_are_read(suffix):
    put(dict.fromkeys(["d/a.png", "d/b.png"]))
    write_manifest(f"d/metadata.{suffix}", [{"file_name": "a.png", "text": "a cat"}])
    found = look()
    assert source_of(found) == "metadata files (imagefolder)"
    assert prompts_of(found) == {"d/a.png": "a cat", "d/b.png": ""}


def test_each_split_has_metadata_of_its_own_and_names_are_relative_to_it():
    put(dict.fromkeys(["d/train/0.png", "d/test/0.png", "d/0.png"]))
    for split in ("train", "test"):
        put(
            {
                f"d/{split}/metadata.jsonl": [
                    {"file_name": "0.png", "text": split},
                    {"file_name": "gone.png", "text": split},
                ]
            }
        )
    found = look()
    assert prompts_of(found) == {
        "d/train/0.png": "train",
        "d/train/gone.png": "train",
        "d/test/0.png": "test",
        "d/test/gone.png": "test",
        "d/0.png": "",
    }
    assert refusals_of(found)["d/train/gone.png"] == "does not exist" == refusals_of(found)["d/test/gone.png"]


def test_a_manifest_that_tells_of_more_images_than_are_asked_for_adds_none_of_them():
    put(dict.fromkeys(["a/1.png", "a/2.png", "b/1.png"]))
    put({"m.jsonl": [{"image": f"{name}.png", "prompt": name} for name in ("a/1", "a/2", "b/1")]})
    assert [item.prompt for item in look("a", prompts="m.jsonl").items()] == ["a/1", "a/2"]
    assert [(item.name, item.prompt) for item in look("a/2.png", prompts="m.jsonl").items()] == [
        ("a/2.png", "a/2")
    ]
