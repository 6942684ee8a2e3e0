"""Which source a prompt comes from where there are several, and where that is said."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prompt_files import A1111, RED, encoded, look, prompts, prompts_of, put, source_of, with_text
from score_runs import rows, score

from rankkit.io.prompts import survey
from rankkit.io.prompts.base import Item
from rankkit.registry.load import prepare
from rankkit.scoring import engine

pytestmark = pytest.mark.usefixtures("here")


LAYERS = [
    ("metadata files (imagefolder)", {"d/metadata.jsonl": [{"file_name": "images/a.png", "text": "x"}]}),
    ("text files beside the images", {"d/images/a.txt": "sidecar"}),
    ("one prompt.txt per folder", {"d/images/prompt.txt": "of the folder"}),
    ("a parallel folder of text files", {"d/prompts/a.txt": "parallel"}),
    ("a JSON map of files to prompts", {"d/prompts.json": {"images/a.png": "map"}}),
    ("the prompts inside the image files", {"d/images/a.png": with_text(parameters="inside")}),
]


# --- the order of trying, and what is said ---


@pytest.mark.parametrize("start", range(len(LAYERS)))
def test_sources_are_tried_in_the_order_of_the_contract(start):
    for _, files in LAYERS[:start:-1]:
        put(files)
    put({**LAYERS[-1][1], **LAYERS[start][1]})
    assert source_of(look()) == LAYERS[start][0]
    put({"m.jsonl": [{"image": "images/a.png", "prompt": "manifest"}]})
    assert source_of(look("d", prompts="m.jsonl")) == "the manifest"


def test_a_source_that_knows_one_image_hides_nothing_from_the_others():
    put({"d/a.png": with_text(parameters="inside a"), "d/b.png": with_text(parameters="inside b")})
    put({"d/c.png": None, "d/a.txt": "beside a"})
    put({"d/metadata.jsonl": [{"file_name": "c.png", "text": "listed"}]})
    assert prompts_of(look()) == {"d/a.png": "beside a", "d/b.png": "inside b", "d/c.png": "listed"}


def test_the_given_prompt_fills_only_what_no_source_gave():
    put({"d/a.png": None, "d/b.png": None, "d/a.txt": "a cat"})
    found = look()
    filled = list(found.items("anything"))
    assert [(item.name, item.prompt) for item in filled] == [
        ("d/a.png", "a cat"),
        ("d/b.png", "anything"),
    ]
    assert filled[1].group.startswith("d/anything-") and filled[0].group != filled[1].group
    assert list(found.items(None)) == list(found.items())


def test_filling_keeps_groups_that_a_source_named():
    put({"d/a.png": None, "m.jsonl": [{"image": "a.png", "group": "g"}]})
    found = look("d", prompts="m.jsonl")
    assert [item.group for item in found.items("x")] == ["d/g"]


def said(*paths, rankers=("contrast",), prompts=None, **options):
    lines, surveys = [], survey(paths or ["d"], prompts=prompts)
    engine.score(surveys, list(map(prepare, rankers)), Path("s.jsonl"), say=lines.append, **options)
    return lines


def test_the_source_is_said_with_the_number_of_images_that_got_a_prompt():
    put(
        {
            "d/a.png": None,
            "d/b.png": None,
            "d/c.png": None,
            "d/a.txt": "a cat",
            "bare/d.png": None,
        }
    )
    assert said("d", "bare") == [
        "d: 3 images; prompts from text files beside the images for 1",
        "bare: 1 image; no prompts found",
    ]
    assert said("d", prompt="a dog", overwrite=True)[0] == (
        "d: 3 images; prompts from text files beside the images for 1, --prompt fills 2"
    )


def test_only_images_that_are_planned_are_counted_among_those_with_a_prompt():
    put({"d/a.png": None, "d/b.png": None, "d/a.txt": "a cat", "d/b.txt": "a dog"})
    put({"m.jsonl": [{"image": "a.png", "prompt": "x"}] * 2})
    assert said(limit=1)[0] == "d: 1 image; prompts from text files beside the images for 1"
    assert said(prompts="m.jsonl", overwrite=True)[0] == (
        "d: 2 images; prompts from the manifest for 1, from text files beside the images for 1"
    )


def test_an_undecodable_image_is_exactly_one_abstained_row():
    put(
        {
            "d/a.png": None,
            "d/broken.png": encoded()[:40],
            "d/empty.png": b"",
            "d/text.png": b"no image",
        }
    )
    os.mkdir("d/folder.png")
    said()
    with open("s.jsonl") as file:
        rows = {row["image"]: row for row in map(json.loads, file)}
    assert len(rows) == 5
    for name, row in rows.items():
        assert (row["score"] is None) == (row["rank"] is None) == bool(row["error"]) == (name != "d/a.png")
        assert row["of"] == 1


def test_what_had_to_be_changed_is_in_the_rows_details():
    put({"d/a.png": encoded(image=RED.convert("RGBA")), "d/b.png": None})
    said()
    with open("s.jsonl") as file:
        assert [json.loads(line)["details"] for line in file] == [
            {"image": {"mode": "RGBA", "alpha": "dropped"}},
            {},
        ]


def test_an_item_with_a_reason_is_never_opened():
    assert Item("/nowhere", "x", "g", error="because").read() == "because"


# --- in rows, and by `rankkit prompts` ---


def test_a_row_says_where_its_prompt_comes_from_how_it_stood_there_and_what_came_with_it():
    put({"d/a.png": None, "d/a.txt": A1111})
    put({"d/b.png": None, "d/metadata.jsonl": json.dumps({
        "file_name": "b.png", "text": "a bird", "style": "anime", "score": 3, "long": "x" * 999, "deep": [1]
    })})  # fmt: skip
    score("d", "sharpness", "o.jsonl")
    a, b = sorted(rows("o.jsonl"), key=lambda row: row["image"])
    assert a["prompt"] == "a red apple, ripe"
    assert a["details"] == {
        "prompt_source": "text files beside the images",
        "raw_prompt": "a red apple, (ripe:1.2) <lora:fruit:0.8>",
    }
    assert b["details"] == {
        "prompt_source": "metadata files (imagefolder)",
        "metadata": {"style": "anime", "score": 3},
    }


def test_raw_prompts_keep_the_syntax_of_a_generator():
    put({"d/a.png": None, "d/a.txt": A1111})
    assert prompts(raw=True) == {"a.png": "a red apple, (ripe:1.2) <lora:fruit:0.8>"}


def test_what_each_image_would_get_is_shown_with_what_else_was_there():
    put(
        {"d/a.png": None, "d/a.txt": "beside", "d/metadata.jsonl": '{"file_name": "a.png", "text": "listed"}'}
    )
    put({"d/b.png": None, "d/b.txt": '{"x": 1}'})
    command = [sys.executable, "-m", "rankkit", "prompts", "d"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.stdout.splitlines() == [
        "d/a.png: listed",
        "    from metadata files (imagefolder)",
        "    not used, from text files beside the images: beside",
        "d/b.png: no prompt",
        "    text files beside the images: b.txt holds JSON of no known program",
    ]
    assert "d: 1 prompt, 1 without one" in run.stderr
    as_json = subprocess.run([*command, "--json"], capture_output=True, text=True).stdout
    assert [json.loads(line)["prompt"] for line in as_json.splitlines()] == ["listed", ""]
