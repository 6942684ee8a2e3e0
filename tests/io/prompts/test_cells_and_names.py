"""Cells of tables that are no prompts, and images as other systems and other runs spell their names."""

import json
import unicodedata

import pytest
from prompt_files import look, prompts, put, why
from score_runs import rows, score

from rankkit.errors import BadSource

pytestmark = pytest.mark.usefixtures("here")


# --- cells ---


@pytest.mark.parametrize(
    ("value", "prompt", "reason"),
    [
        (["a red apple", "fruit"], "a red apple", ""),
        ([{"caption": "a red apple", "id": 3}], "a red apple", ""),
        ("['a red apple', 'fruit']", "a red apple", ""),
        ('["a red apple", "fruit"]', "a red apple", ""),
        ({"en": "a red apple", "de": "ein Apfel"}, "", "is an object"),
        ("{'en': 'a red apple', 'de': 'ein Apfel'}", "", "is an object"),
        (None, "", "is empty"),
        (float("nan"), "", "is empty"),
        ("nan", "", "is empty"),
        (7, "", "is int, not text"),
        ([], "", "is a list without texts"),
        (" a red apple\n", "a red apple", ""),
        ("[red] {apple, pear}", "[red] {apple, pear}", ""),
    ],
)
def test_a_value_that_is_no_text_is_no_prompt_and_never_its_repr(value, prompt, reason):
    put({"d/a.png": None, "d/metadata.jsonl": json.dumps({"file_name": "a.png", "text": value})})
    assert prompts() == {"a.png": prompt} and reason in why()["a.png"]


def test_white_space_at_its_ends_makes_no_prompt_another():
    put({"d/a.png": None, "d/b.png": None})
    put({"d/metadata.csv": 'file_name,text\na.png,a red apple\nb.png,"a red apple \n"\n'})
    assert len({item.group for item in look().items()}) == 1


def test_a_text_that_is_not_the_prompt_is_metadata():
    put({"d/a.png": None, "d/metadata.jsonl": '{"file_name": "a.png", "prompt": "a sign", "text": "STOP"}'})
    (item,) = look().items()
    assert item.prompt == "a sign" and item.metadata == {"text": "STOP"}


# --- names of images ---


@pytest.mark.parametrize(
    ("written", "lies"),
    [
        ("images\\a.png", "images/a.png"),
        (".\\images\\a.png", "images/a.png"),
        ("images/a", "images/a.png"),
        ("images/a.png", "images/a.PNG"),
        ("a.png", "images/a.png"),
        ("images/A.png", "images/a.png"),
        ("images/a.png ", "images/a.png"),
        (unicodedata.normalize("NFD", "images/é.png"), unicodedata.normalize("NFC", "images/é.png")),
        (unicodedata.normalize("NFC", "images/é.png"), unicodedata.normalize("NFD", "images/é.png")),
    ],
)
def test_an_image_is_found_as_other_systems_spell_its_name(written, lies):
    put({f"d/{lies}": None, "d/metadata.jsonl": json.dumps({"file_name": written, "text": "a red apple"})})
    assert prompts() == {lies: "a red apple"}


@pytest.mark.parametrize("other", ["d/b/a.png", "d/a.jpg/x.png", "e/a.png"])
def test_a_missing_image_is_a_row_with_its_reason_and_never_another_file(other):
    put({other: None, "d/c/k.png": None})
    put({"d/metadata.jsonl": '{"file_name": "c/a.png", "text": "x"}\n{"file_name": "c/k.png", "text": "y"}'})
    found = {item.name: (item.prompt, item.read()) for item in look().items()}
    assert found["d/c/a.png"] == ("x", "does not exist") and found["d/c/k.png"][0] == "y"
    assert not found.get(other, ("",))[0]


def test_an_image_that_this_run_lacks_is_not_taken_from_another_run():
    put(dict.fromkeys(["run1/a.png", "run2/a.png", "run2/b.png"]))
    put({"run2/metadata.jsonl": '{"file_name": "a.png", "text": "x"}\n{"file_name": "b.png", "text": "x"}'})
    assert score("run1", "sharpness", "o.jsonl", prompts="run2/metadata.jsonl").abstained == 1
    found = {row["image"]: row["error"] for row in rows("o.jsonl")}
    assert found == {"run1/a.png": None, "run1/b.png": "does not exist"}


def test_a_manifest_that_the_user_names_may_hold_absolute_paths(here):
    put({"x/a.png": None, "m/m.jsonl": json.dumps({"image": str(here / "x/a.png"), "prompt": "a red apple"})})
    (item,) = look("m/m.jsonl").items()
    assert item.name == str(here / "x/a.png") and isinstance(item.read(), bytes)
    (item,) = look("x", prompts="m/m.jsonl").items()
    assert (item.name, item.prompt) == ("x/a.png", "a red apple")


def test_a_web_address_is_not_looked_up():
    put({"d/a.png": None, "d/metadata.csv": "file_name,text\nhttps://example.org/a.png,x\na.png,y\n"})
    found = {item.prompt: item.read() for item in look().items()}
    assert "is a web address" in found["x"] and isinstance(found["y"], bytes)


def test_a_manifest_that_nobody_named_stays_in_its_folder(here):
    put({"x/a.png": None, "d/b.png": None})
    put({"d/metadata.jsonl": json.dumps({"file_name": str(here / "x/a.png"), "text": "x"})})
    assert (
        "names a file outside its folder"
        in {item.name: item.read() for item in look().items()}[f"d/{here}/x/a.png"]
    )


@pytest.mark.parametrize("columns", [("file_names",), ("left_file_name", "right_file_name"), ("Images",)])
def test_columns_that_end_in_file_name_name_images(columns):
    put(dict.fromkeys(["d/a.png", "d/b.png"]))
    names = ["a.png", "b.png"]
    record = dict(zip(columns, names, strict=True)) if len(columns) == 2 else {columns[0]: names}
    put({"d/metadata.jsonl": json.dumps({**record, "text": "make it blue"})})
    assert prompts() == {"a.png": "make it blue", "b.png": "make it blue"}


def test_an_id_that_numbers_images_is_no_group_and_no_row_vanishes():
    lines = [("a", 1, "a red apple"), ("a", 1, "a fruit"), ("b", 2, "a bird"), ("b", 2, "something blue")]
    put(dict.fromkeys(["d/a.png", "d/b.png"]))
    put({"d/metadata.jsonl": "".join(
        json.dumps({"id": number, "file_name": f"{name}.png", "text": text}) + "\n"
        for name, number, text in lines
    )})  # fmt: skip
    score("d", "sharpness", "o.jsonl")
    assert sorted((row["image"][2], row["prompt"]) for row in rows("o.jsonl")) == sorted(
        (name, text) for name, _, text in lines
    )
    assert len({row["group"] for row in rows("o.jsonl")}) == 4


def test_an_image_that_is_named_again_with_its_prompt_is_one_row_with_what_both_lines_say():
    lines = [
        {"file_name": "a.png", "text": "a sign", "style": "photo", "target": word} for word in ("A", "B")
    ]
    put({"d/a.png": None, "d/metadata.jsonl": "".join(json.dumps(line) + "\n" for line in lines)})
    said = []
    assert score("d", "sharpness", "o.jsonl", say=said.append).images == 1
    assert rows("o.jsonl")[0]["details"]["metadata"] == {"style": "photo"}
    assert any("1 times an image was named again" in line for line in said)


def test_metadata_files_of_the_folder_and_of_every_split_are_all_used():
    put(dict.fromkeys(["d/a.png", "d/train/b.png", "d/x/y/c.png", "d/e.png"]))
    for place, name in (("d", "a"), ("d/train", "b"), ("d/x/y", "c")):
        put({f"{place}/metadata.jsonl": json.dumps({"file_name": f"{name}.png", "text": name})})
    assert prompts() == {"a.png": "a", "train/b.png": "b", "x/y/c.png": "c", "e.png": ""}


def test_a_table_that_was_found_and_is_of_no_use_is_named_with_its_columns():
    put({"d/a.png": None, "d/metadata.csv": "picture,seed\na,3\n"})
    assert look().notes == ("d/metadata.csv is not used: it names no image that is here (its columns are "
                            "picture, seed)",)  # fmt: skip


@pytest.mark.parametrize("column", ["file", "File Name", "img", "Bild", "image-path", "output_image"])
def test_a_column_that_holds_names_of_image_files_names_the_images_whatever_it_is_called(column):
    rows = f"{column},prompt,seed\nb.png,a dog,3\nsub/c.png,a fox,4\na.png,a cat,5\n"
    put({"d/a.png": None, "d/b.png": None, "d/sub/c.png": None, "m.csv": rows})
    said = {"a.png": "a cat", "b.png": "a dog", "sub/c.png": "a fox"}
    assert prompts(prompts="m.csv") == said
    put({"d/prompts.csv": rows})
    assert prompts() == said


@pytest.mark.parametrize(
    "rows",
    [
        "from,to,prompt\nb.png,a.png,a dog\na.png,b.png,a cat\n",  # which of the two shows the prompt?
        "img,prompt\n,a dog\na.png,a cat\n",
    ],
)
def test_a_table_is_not_taken_in_order_where_its_columns_name_images_and_it_is_not_known_how(rows):
    put({"d/a.png": None, "d/b.png": None, "m.csv": rows})
    with pytest.raises(BadSource, match="name images in some or all lines"):
        prompts(prompts="m.csv")


def test_a_table_is_not_taken_in_order_where_a_column_holds_the_names_of_most_images_without_suffix():
    put(dict.fromkeys(["d/ant.png", "d/bee.png", "d/cow.png"]))
    put({"m.csv": "key,prompt\ncow,a cow\nbee,a bee\ndog,a dog\n"})
    with pytest.raises(BadSource, match="'key' names 2 of the 3 images"):
        prompts(prompts="m.csv")
    put({"m.csv": "key,prompt\ncow,a cow\nbee,a bee\nant,an ant\n"})
    assert prompts(prompts="m.csv") == {"ant.png": "an ant", "bee.png": "a bee", "cow.png": "a cow"}


def test_coco_captions_are_the_captions_of_their_images():
    coco = {
        "info": {},
        "images": [{"id": 1, "file_name": "1.png"}, {"id": 2, "file_name": "2.png"}],
        "annotations": [{"image_id": 1, "caption": "a red apple"}, {"image_id": 1, "caption": "fruit"}],
    }
    put({"d/1.png": None, "d/2.png": None, "d/captions_val2014.json": json.dumps(coco)})
    assert prompts() == {"1.png": "a red apple", "2.png": ""}
    assert [item.prompt for item in look(captions="all").items()] == ["a red apple", "fruit", ""]


def test_a_json_file_that_is_no_map_of_images_makes_no_images_up():
    put({"d/1.png": None, "d/captions.json": '{"info": {"year": 2014}, "licenses": [1]}'})
    assert prompts() == {"1.png": ""}


@pytest.mark.parametrize(
    ("column", "names", "values"),
    [
        ("id", ["img_1", "img_2", "img_3"], [3, 1, 2]),
        ("prompt_id", ["00000-fox", "00001-fox", "00002-fox"], ["p2", "p0", "p1"]),
        ("seed", ["a_fox_11", "a_fox_22", "a_fox_33"], [33, 11, 22]),
        ("anything", ["ant", "bee", "cow"], ["cow", "ant", "bee"]),
    ],
)
def test_a_column_of_numbers_of_the_images_names_them_and_the_order_of_the_lines_does_not(
    column, names, values
):
    put(dict.fromkeys(f"d/{name}.png" for name in names))
    lines = [
        f"{value},a {which} fox" for value, which in zip(values, ["third", "first", "second"], strict=True)
    ]
    put({"m.csv": "\n".join([f"{column},prompt", *lines])})
    found = [f"a {which} fox" for which in ("first", "second", "third")]
    assert prompts(prompts="m.csv") == dict(zip([f"{name}.png" for name in names], found, strict=True))


def test_numbers_that_may_count_something_else_leave_the_order_alone_or_are_refused():
    put({"d/1.png": None, "d/2.png": None, "m.csv": "prompt,count\na cat,1\ntwo dogs,2\n"})
    assert prompts(prompts="m.csv") == {"1.png": "a cat", "2.png": "two dogs"}
    put({"m.csv": "prompt,count\ntwo dogs,2\na cat,1\n"})
    with pytest.raises(BadSource, match="'count' could number the images"):
        prompts(prompts="m.csv")
    put({"m.csv": "prompt,id,seed\ntwo dogs,2,1\na cat,1,2\n"})
    with pytest.raises(BadSource, match="'id', 'seed' could number the images"):
        prompts(prompts="m.csv")


def test_lines_with_ids_that_are_no_numbers_of_the_images_go_in_order():
    put({"d/img_0.png": None, "d/img_1.png": None, "m.csv": "id,caption\n391895,a cat\n60623,a dog\n"})
    assert prompts(prompts="m.csv") == {"img_0.png": "a cat", "img_1.png": "a dog"}


def test_lines_that_are_numbered_in_another_order_are_no_list():
    put({"d/1.png": None, "d/2.png": None, "d/3.png": None, "m.txt": "3. a fox\n1. a cat\n2. a dog\n"})
    with pytest.raises(BadSource, match="numbered, and not in order"):
        prompts(prompts="m.txt")
    put({"m.txt": "1984: a poster\n300: a poster\n2049: a poster\n"})
    assert prompts(prompts="m.txt")["1.png"] == "1984: a poster"
