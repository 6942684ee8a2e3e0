"""Tables of edits, choices and samples: each prompt goes to the image that it describes, or to none."""

import json

import pytest
from prompt_files import encoded, look, prompts, put, tar, why

from rankkit.errors import BadSource

pytestmark = pytest.mark.usefixtures("here")

IDS = "id,prompt\n3,three\n1,one\n2,two\n"
NUMBERED = dict.fromkeys(["d/img_1.png", "d/img_2.png", "d/img_3.png"])


@pytest.mark.parametrize("name", ["prompts.csv", "metadata.csv", "captions.csv"])
def test_a_table_that_was_found_goes_by_its_ids_as_one_that_was_named(name):
    put({**NUMBERED, f"d/{name}": IDS})
    expected = {"img_1.png": "one", "img_2.png": "two", "img_3.png": "three"}
    assert prompts() == expected == prompts(prompts=f"d/{name}")
    assert any("'id' names the images" in note for note in look().notes)


def test_a_table_that_was_found_with_other_ids_or_without_any_is_not_used():
    for table in (IDS + "4,four\n", IDS.replace("3,", "5,"), "prompt\none\ntwo\nthree\n"):
        put({**NUMBERED, "d/prompts.csv": table})
        assert set(prompts().values()) == {""}
        assert any("is not used" in note for note in look().notes)


def test_numbers_in_a_column_of_images_name_them_as_ids_do():
    put({**NUMBERED, "d/metadata.jsonl": [{"image": n, "prompt": f"fox {n}"} for n in (3, 1, 2)]})
    expected = {f"img_{n}.png": f"fox {n}" for n in (1, 2, 3)}
    assert prompts() == expected == prompts(prompts="d/metadata.jsonl")


def test_names_that_are_numbers_and_count_from_another_one_than_the_images_are_not_theirs():
    put({"d/1.png": None, "d/2.png": None, "d/prompts.json": {"0": "a cat", "1": "a dog"}})
    assert prompts()["1.png"] == "" and "counted from 1, and prompts.json from 0" in why()["1.png"]
    assert prompts(prompts="d/prompts.json")["1.png"] == ""
    put({"e/0.png": None, "e/1.png": None, "m.csv": "image,prompt\n1,a cat\n2,a dog\n"})
    assert prompts("e", prompts="m.csv")["e/1.png"] == ""
    put({"f/1.png": None, "f/2.png": None, "f/prompts.json": {"1": "a cat", "2": "a dog"}})
    assert prompts("f") == {"f/1.png": "a cat", "f/2.png": "a dog"}


def test_a_list_of_names_of_files_names_images_whatever_its_column_is_called():
    """test.json of ImageReward: the images of a prompt stand in `generations`."""
    records = [{"prompt": "a fox", "generations": ["z.png"]}, {"prompt": "a dog", "generations": ["y.png"]}]
    put({"d/z.png": None, "d/y.png": None, "m.json": json.dumps(records)})
    assert prompts(prompts="m.json") == {"z.png": "a fox", "y.png": "a dog"}


@pytest.mark.parametrize("column", ["source", "init_image", "conditioning_image", "mask", "Original"])
def test_what_an_image_was_made_from_has_not_its_prompt(column):
    put({"d/a.png": None, "d/metadata.csv": f"{column},prompt\na.png,make it red\n"})
    assert prompts() == {"a.png": ""}
    with pytest.raises(BadSource, match="name images"):
        prompts(prompts="d/metadata.csv")


def test_of_several_columns_of_images_those_that_were_conditioned_on_have_no_prompt():
    """Sets for ControlNet: an image, its edges or pose, and the caption of the image."""
    row = {"image_file_name": "a.png", "conditioning_image_file_name": "b.png", "text": "a fox"}
    put({"d/a.png": None, "d/b.png": None, "d/metadata.jsonl": [row]})
    assert prompts() == {"a.png": "a fox", "b.png": ""}
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    cells = {name: [{"bytes": encoded(), "path": None}] for name in ("image", "conditioning_image")}
    put({"p/x": ""})
    parquet.write_table(pyarrow.table({**cells, "text": ["a fox"]}), "p/x.parquet")
    found = prompts("p")
    assert found == {
        "p/x.parquet/000000-image": "a fox",
        "p/x.parquet/000000-conditioning_image": "",
    }
    assert "was made from" in why("p")["p/x.parquet/000000-conditioning_image"]


def test_an_instruction_to_edit_is_no_prompt_of_the_two_files_that_a_row_names():
    row = {"input_file_name": "a.png", "edited_file_name": "b.png", "text": "make it blue"}
    put({"d/a.png": None, "d/b.png": None, "d/metadata.jsonl": [row]})
    assert not any(prompts().values())


@pytest.mark.parametrize("column", ["source_image", "kontext_images", "control_path", "reference_image"])
def test_a_prompt_beside_the_image_that_was_edited_may_be_an_instruction_and_a_caption_is_none(column):
    """DiffSynth's and musubi-tuner's tables for Kontext and Qwen-Image-Edit."""
    put({"d/a.png": None, "d/b.png": None})
    for name, expected in (("prompt", ""), ("caption", "a fox")):
        put({"d/metadata.csv": f"image,{name},{column}\na.png,a fox,b.png\n"})
        assert prompts() == {"a.png": expected, "b.png": ""}
    put({"d/metadata.csv": "image,prompt,original_file_name,source_url\na.png,a fox,b.png,x\n"})
    assert prompts() == {"a.png": "a fox", "b.png": ""}


def test_a_row_of_several_images_and_several_prompts_does_not_say_whose_they_are():
    put({"d/a.png": None, "d/b.png": None, "d/metadata.jsonl": [{"images": ["a.png", "b.png"], "text": TWO}]})
    assert prompts() == {"a.png": "", "b.png": ""} and "whose they are is not known" in why()["a.png"]
    put({"d/metadata.jsonl": [{"images": ["a.png", "b.png"], "text": TWO[:1]}]})
    assert prompts() == {"a.png": "a fox", "b.png": "a fox"}
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    put({"p/x": ""})
    cell = {"bytes": encoded(), "path": None}
    parquet.write_table(pyarrow.table({"images": [[cell, cell]], "text": [TWO]}), "p/x.parquet")
    assert set(prompts("p").values()) == {""}


TWO = ["a fox", "a dog"]


def test_an_image_that_two_tables_give_different_prompts_has_none():
    """An old metadata.csv beside a new one of another tool, or in the folder above."""
    put({"d/a.png": None, "d/b.png": None, "d/metadata.csv": "file_name,text\na.png,a fox\nb.png,a cat\n"})
    put({"d/prompts.csv": "file_name,prompt\na.png,a dog\nb.png,a cat\n"})
    assert prompts() == {"a.png": "", "b.png": "a cat"}
    assert "tell different prompts" in why()["a.png"]
    assert len(list(look().items())) == 3  # b.png is told twice, as before
    assert prompts(prompts="d/prompts.csv") == {"a.png": "a dog", "b.png": "a cat"}


def test_two_text_files_beside_an_image_that_differ_are_told():
    """Captions of BLIP in a.caption beside tags in a.txt, as kohya's tools and taggers leave them."""
    put(
        {
            "d/a.png": None,
            "d/a.txt": "1girl, fox",
            "d/a.caption": "a fox",
            "d/a.json": {"prompt": "1girl, fox"},
        }
    )
    (finding,) = look().findings()
    assert finding.prompt == "1girl, fox"
    assert finding.others == (("text files beside the images, a.caption", "a fox"),)


def test_two_texts_of_a_sample_in_an_archive_that_differ_are_told():
    """img2dataset's caption beside one that a model wrote later into the .json of the sample."""
    tar("x.tar", [("1.jpg", None), ("1.txt", "a fox"), ("1.json", '{"caption": "a red fox"}')])
    (finding,) = look("x.tar").findings()
    assert finding.prompt == "a fox"
    assert finding.others == (("a webdataset archive, another text of its sample", "a red fox"),)


def test_what_two_kinds_of_tables_say_of_an_image_is_told():
    put(
        {
            "d/a.png": None,
            "d/metadata.csv": "file_name,text\na.png,a fox\n",
            "m.csv": "image,prompt\na.png,a cat\n",
        }
    )
    put({"d/prompts.json": {"a.png": "a dog"}})
    (finding,) = look().findings()
    assert (finding.prompt, finding.others) == ("a fox", (("a JSON map of files to prompts", "a dog"),))
    (finding,) = look(prompts="m.csv").findings()
    assert (finding.prompt, [text for _, text in finding.others]) == ("a cat", ["a fox", "a dog"])


def test_what_is_shown_of_an_image_is_what_it_would_be_scored_by():
    put({"d/a.png": None, "d/metadata.csv": "file_name,text\na.png,\n", "d/prompts.json": {"a.png": "a dog"}})
    (finding,), (item,) = look().findings(), look().items()
    assert (finding.prompt, finding.others) == (item.prompt, (("a JSON map of files to prompts", "a dog"),))


@pytest.mark.parametrize("address", ["https://s.mj.run/x", "<https://s.mj.run/x> https://s.mj.run/y.png"])
def test_addresses_of_images_before_a_prompt_are_no_words_of_it(address):
    """train_anno.jsonl of JourneyDB keeps what was typed into Midjourney."""
    row = {"img_path": "./000/a.png", "prompt": f"{address} a fox, red --v 5 --s 750"}
    put({"d/000/a.png": None, "m.jsonl": [row]})
    assert prompts(prompts="m.jsonl") == {"000/a.png": "a fox, red"}
    put({"m.jsonl": [{**row, "prompt": f"{address} a fox"}]})
    assert prompts(prompts="m.jsonl") == {"000/a.png": "a fox"}


def test_a_table_without_a_known_column_of_prompts_or_images_is_refused_with_what_to_do():
    """OneIG-Bench calls them prompt_en."""
    put({"d/0.png": None, "m.csv": "id,prompt_en\n0,a fox\n"})
    with pytest.raises(BadSource, match="no column of prompts.*call the one with the prompts 'prompt'"):
        prompts(prompts="m.csv")


@pytest.mark.parametrize(
    "records",
    [
        [
            {"prompt": "a fox", "image_path": ["test/1.jpg"]},
            {"prompt": "a dog", "image_path": ["test/0.jpg"]},
        ],
        [{"prompt": "a fox", "file": "1.jpg"}, {"prompt": "a dog", "file": "0.jpg"}],
        [{"prompt": "a fox", "id": 1}, {"prompt": "a dog", "id": 0}],
        ["a fox"],
    ],
)
def test_a_list_beside_a_folder_of_its_name_that_names_images_or_is_shorter_is_no_list_by_number(records):
    """test.json of HPDv2 beside its folder test; names of classes beside the images of a split."""
    put({"d/test.json": json.dumps(records), "d/test/0.jpg": None, "d/test/1.jpg": None})
    assert set(prompts().values()) == {""}


@pytest.mark.parametrize("image", [{"input_image": "https://x.org/a.png"}, {"image": "https://x.org/a.png"}])
def test_an_instruction_to_a_service_to_edit_an_image_is_no_prompt(image):
    """Replicate's record of FLUX Kontext and of Qwen-Image-Edit."""
    record = {"id": "x", "input": {"prompt": "make it red", **image}, "output": ["https://x.org/b.png"]}
    put({"d/a.png": None, "d/a.json": record})
    assert prompts() == {"a.png": ""} and "may be an instruction to edit" in why()["a.png"]


@pytest.mark.parametrize(
    "names",
    [
        ("https://x.org/i/b.png", "https://x.org/i/a.png?w=1"),
        ("s3://bucket/b.webp", "s3://bucket/a.webp"),
        ("b.npy", "a.npy"),
        ("texts/b", "texts/a"),
        ("C:\\data\\b.mp4", "C:\\data\\a.mp4"),
    ],
)
def test_a_column_of_addresses_or_of_other_files_names_the_images_that_are_called_so(names):
    """What was downloaded from, or is kept beside, each image: such tables had been taken in order."""
    put({"d/a.png": None, "d/b.png": None})
    put({"m.jsonl": [{"url": names[0], "prompt": "a dog"}, {"url": names[1], "prompt": "a cat"}]})
    assert prompts(prompts="m.jsonl") == {"a.png": "a cat", "b.png": "a dog"}
