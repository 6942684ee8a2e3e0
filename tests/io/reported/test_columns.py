"""Columns of public data sets: which cells are prompts of the images they stand beside, and which are not."""

import json
from pathlib import Path

import pytest
from prompt_files import lines, prompts, put, why

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize(
    "text",
    [
        "Describe this image.",
        "Please describe the image in detail, in one sentence.",
        "Write a detailed caption for this picture",
        "What is shown in the image?",
        "Can you explain this photo to me?",
    ],
)
def test_a_question_about_an_image_is_no_prompt_and_another_column_is_looked_at(text):
    put({"d/a.png": None, "d/b.png": None})
    put(
        {
            "d/metadata.jsonl": lines(
                {"file_name": "a.png", "prompt": text}, {"file_name": "b.png", "prompt": "x y"}
            )
        }
    )
    assert prompts() == {"a.png": "", "b.png": "x y"} and "a question to a model" in why()["a.png"]
    put({"d/metadata.jsonl": lines({"file_name": "a.png", "prompt": text, "text": "a fox"})})
    assert prompts() == {"a.png": "a fox", "b.png": ""}


@pytest.mark.parametrize(
    "text", ["a man who will describe the image of a fox", "what a fox", "image of the photo"]
)
def test_words_of_such_questions_elsewhere_are_words(text):
    put({"d/a.png": None, "d/metadata.jsonl": lines({"file_name": "a.png", "prompt": text})})
    assert prompts() == {"a.png": text}


@pytest.mark.parametrize(
    "names",
    [
        "p001 p002",
        "prompt_1 prompt_12",
        "0cc175b9-c0f1-b6a8-31c3-99e269772661 92eb5ffe-e6ae-2fec-3ad7-1c777531578f",
    ],
)
def test_ids_alone_are_no_prompts(names):
    rows = [{"file_name": f"{i}.png", "prompt": name} for i, name in enumerate(names.split())]
    put({"d/0.png": None, "d/1.png": None, "d/metadata.jsonl": lines(*rows)})
    assert set(prompts().values()) == {""} and "or an id" in why()["0.png"]


def test_messages_to_a_model_are_no_prompts():
    chat = [{"role": "system", "text": "You paint."}, {"role": "user", "text": "a fox"}]
    put({"d/a.png": None, "d/metadata.jsonl": lines({"file_name": "a.png", "prompt": chat})})
    assert prompts() == {"a.png": ""}


@pytest.mark.parametrize("column", ["edited_image", "target_img", "edited", "output_image_path"])
def test_a_prompt_beside_an_edited_image_may_be_an_instruction_and_a_caption_is_none(column):
    put({"d/a.png": None, "d/b.png": None})
    put({"d/metadata.jsonl": lines({"image": "a.png", column: "b.png", "prompt": "make it red"})})
    assert prompts() == {"a.png": "", "b.png": ""} and "instruction that led to" in why()["a.png"]
    put({"d/metadata.jsonl": lines({"image": "a.png", column: "b.png", "caption": "a fox"})})
    assert prompts() == {"a.png": "a fox", "b.png": ""}


@pytest.mark.parametrize(
    ("original", "edited"),
    [
        ("image", "edited_image"),
        ("source_image", "edited_image"),
        ("input_img", "output_img"),
    ],
)
def test_a_prompt_of_an_image_and_its_edit_inside_parquet_may_be_an_instruction(original, edited):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install '.[parquet]'")
    from pyarrow import parquet

    put({"d/a.png": None})
    cell = {"bytes": Path("d/a.png").read_bytes(), "path": None}
    Path("d/a.png").unlink()
    source = "a fox" if original == "image" else ""  # one that is called so is not known to be described
    for column, expected in (("prompt", ["", ""]), ("caption", [source, "a fox"])):
        parquet.write_table(
            pa.Table.from_pylist([{original: cell, edited: cell, column: "a fox"}]), "d/t.parquet"
        )
        assert list(prompts().values()) == expected


@pytest.mark.parametrize(
    "options", ["--ar 3:2 --v 6.0", "--no hats, blur --s 250", "--niji 5", "--w 512 --h 512"]
)
def test_options_behind_a_prompt_are_no_words(options):
    put({"d/a.png": None, "d/b.png": None, "d/b.txt": f"a fox, red {options}\n\na dog"})
    put({"d/metadata.jsonl": lines({"file_name": "a.png", "text": f"a fox, red {options}"})})
    assert prompts() == {"a.png": "a fox, red", "b.png": "a fox, red"}
    assert prompts(raw=True) == dict.fromkeys(["a.png", "b.png"], f"a fox, red {options}")


@pytest.mark.parametrize("text", ["a fox -- in snow", "a sign that says --open", "(a fox) --- red"])
def test_dashes_alone_are_words(text):
    put({"d/a.png": None, "d/metadata.jsonl": lines({"file_name": "a.png", "text": text})})
    assert prompts() == {"a.png": text}


def test_a_column_called_positive_prompt_holds_prompts():
    row = {"file_name": "a.png", "positive_prompt": "a fox", "negative_prompt": "blurry"}
    put({"d/a.png": None, "d/metadata.jsonl": lines(row)})
    assert prompts() == {"a.png": "a fox"}


@pytest.mark.parametrize("name", ["b.png", "images/a.JPG", "x.webp"])
def test_the_name_of_an_image_is_no_prompt(name):
    put({"d/a.png": None, "d/metadata.jsonl": lines({"file_name": "a.png", "text": name})})
    assert prompts() == {"a.png": ""} and "name of an image" in why()["a.png"]
    put({"p.json": json.dumps({"a fox": ["a.png"]})})
    assert set(prompts(prompts="p.json").values()) == {""}


@pytest.mark.parametrize("listed", [["a.png", "b.png"], [["a cat", "red"], ["a dog"]], ["a b", 3]])
def test_a_list_beside_a_folder_that_holds_no_prompts_gives_none(listed):
    put({"d/train.json": json.dumps(listed), "d/train/0.png": None, "d/train/1.png": None})
    assert set(prompts().values()) == {""}


def test_a_date_behind_words_is_no_number_of_a_sample():
    put({"d/samples/my cat at home_202401.png": None, "d/samples/my cat_202402.png": None})
    assert set(prompts().values()) == {""}
