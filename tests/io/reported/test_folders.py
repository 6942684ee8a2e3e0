"""Folders and manifests as public reports describe them: what is not used is said, and nothing is guessed."""

import json

import pytest
from prompt_files import lines, look, prompts, put, why

from rankkit.errors import BadSource

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize(
    "text",
    [
        "a.jpg#0\tA cat .\nb.jpg#0\tA dog .\n",
        "b.jpg: a dog\na.jpg: a cat\n",
        "a.jpg a cat\nb.jpg a dog\n",
        "image,caption\na.jpg,a cat\n",
    ],
)
def test_lines_that_begin_with_names_of_images_are_not_taken_for_prompts_in_order(text):
    put({"d/a.jpg": None, "d/b.jpg": None, "captions.txt": text})
    with pytest.raises(BadSource, match="begin with names of images"):
        look(prompts="captions.txt")


def test_a_table_without_a_known_column_of_prompts_says_which_columns_it_has():
    put({"d/a.png": None, "d/metadata.jsonl": lines({"file_name": "a.png", "conversations": [], "id": 1})})
    assert prompts() == {"a.png": ""} and "its columns are file_name, conversations, id" in why()["a.png"]
    put({"results.csv": "image_name| comment_number| comment\na.png| 0| Two men .\n"})
    assert "its columns are image_name, comment_number, comment" in why(prompts="results.csv")["a.png"]


def test_a_manifest_of_another_machine_that_names_none_of_the_images_is_said():
    put({"d/a.png": None, "m.json": json.dumps({"/home/u/train/z.png": {"caption": "a cat"}})})
    (note,) = look(prompts="m.json").notes
    assert note == "m.json: names no image of d; it names '/home/u/train/z.png', for example"
    put({"m.jsonl": lines({"image": "/data/upload/1/8d1f-a.png", "caption": "a cat"}, {"image": "a.png"})})
    assert look(prompts="m.jsonl").notes == ()


def test_addresses_and_images_written_as_text_are_rows_with_their_reasons():
    uri = "data:image/png;base64," + "iVBO" * 50
    put({"m.jsonl": lines({"image": "https://x.org/a.png", "text": "a"}, {"image": uri, "text": "b"})})
    address, inline = look("m.jsonl").items()
    assert address.name == "https://x.org/a.png" and "web address" in address.read()
    assert len(inline.name) < 60 and "written as text" in inline.read()


def test_kohyas_metadata_names_images_without_their_suffix():
    put({"d/a.png": None, "d/metadata.json": json.dumps({"a": {"caption": "a cat", "tags": "1girl"}})})
    assert prompts() == {"a.png": "a cat"}


@pytest.mark.parametrize(
    "name", ["metadata1000.jsonl", "meta_cap.jsonl", "metadata (1).jsonl", "captions_en.csv"]
)
def test_a_table_that_is_called_nearly_so_is_named_and_not_read(name):
    text = lines({"image": "a.png", "caption": "a cat"})
    put({"d/a.png": None, f"d/{name}": text if name.endswith("l") else "image,caption\na.png,a cat\n"})
    assert prompts() == {"a.png": ""}
    assert look().notes == (f"d/{name} is not read; --prompts d/{name} reads it",)
    assert prompts(prompts=f"d/{name}") == {"a.png": "a cat"} and look(prompts=f"d/{name}").notes == ()


def test_geneval_folders_are_found_below_other_folders_and_when_one_is_named():
    put({f"d/m{m}/0000{i}/metadata.jsonl": lines({"prompt": f"{m} {i}"}) for m in (1, 2) for i in (0, 1)})
    put(dict.fromkeys([f"d/m{m}/0000{i}/samples/0.png" for m in (1, 2) for i in (0, 1)]))
    put({"d/m1/00000/grid.png": None})
    assert prompts() == {f"m{m}/0000{i}/samples/0.png": f"{m} {i}" for m in (1, 2) for i in (0, 1)}
    assert [item.group for item in look().items()][:2] == ["d/m1/00000", "d/m1/00001"]
    assert prompts("d/m2/00001") == {"m2/00001/samples/0.png": "2 1"}


def test_an_imagefolder_that_is_called_by_a_number_is_no_geneval_folder():
    put({"d/00000/a.png": None, "d/00000/b.png": None})
    put({"d/00000/metadata.jsonl": lines(*({"file_name": f"{n}.png", "text": n} for n in "ab"))})
    assert prompts() == {"00000/a.png": "a", "00000/b.png": "b"}


def test_images_of_a_style_that_are_counted_from_one_get_no_prompt_of_another():
    put({"d/anime.json": '["first", "second"]', "d/anime/1.jpg": None, "d/anime/2.jpg": None})
    assert prompts() == {"anime/1.jpg": "", "anime/2.jpg": ""} and "counted from 1" in why()["anime/1.jpg"]


def test_a_column_that_holds_a_number_twice_does_not_name_the_images():
    put({"d/0.png": None, "d/1.png": None, "d/2.png": None})
    put({"p.jsonl": lines(*({"prompt": p, "id": n} for p, n in zip("abc", (2, 0, 1), strict=True)))})
    assert prompts(prompts="p.jsonl") == {"2.png": "a", "0.png": "b", "1.png": "c"}
    put({"p.jsonl": lines(*({"prompt": p, "id": n} for p, n in zip("abc", (1, 0, 0), strict=True)))})
    assert prompts(prompts="p.jsonl") == {"0.png": "a", "1.png": "b", "2.png": "c"}


@pytest.mark.parametrize(
    "name", ["gone/samples/a cat_000001.png", "anime/00000.jpg", "a\0b/samples/x.png", "\ud800/x.png"]
)
def test_a_table_may_name_images_in_folders_that_are_not_and_cannot_be_there(name):
    put({"d/metadata.jsonl": lines({"file_name": name, "text": ""}), "d/other/x.png": None})
    put({"d/anime.json": '["first"]', "d/other.json": '["second"]', "d/prompt.txt": "of the root"})
    missing, _ = look().items()
    assert isinstance(missing.read(), str) and missing.prompt != "a cat"


@pytest.mark.parametrize("end", [",", "] x", "", ", {"])
def test_a_list_that_names_images_and_breaks_off_is_an_error_and_not_left_aside(end):
    put({"d/a.png": None, "d/captions.json": '[{"image": "a.png", "caption": "a cat"}' + end})
    with pytest.raises(BadSource, match="d/captions.json: not JSON"):
        prompts()


@pytest.mark.parametrize(
    "text",
    [
        "person 0.5 0.5 0.1 0.1\ncar 0.2 0.2 0.1 0.1",  # YOLO with names
        "Car 0.00 0 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59",  # KITTI
        "imagesource:x\ngsd:0.1\n2753.0 2408.0 2861.0 2385.0 2888.0 2468.0 2805.0 2502.0 plane 0",  # DOTA
        "377,117,463,117,465,130,378,130,Genaxis Theatre\n493,115,519,115,519,131,493,131,[06]",  # ICDAR
        "0.873",
        "True",
        "d41d8cd98f00b204e9800998ecf8427e  a.png",
        "source: https://x.org/a.png",
        "2024-01-01 12:00:00 INFO loading\n2024-01-01 12:00:01 INFO done",
    ],
)
def test_what_detectors_scorers_and_downloaders_leave_beside_an_image_is_no_caption(text):
    put({"d/a.png": None, "d/a.txt": text})
    assert prompts() == {"a.png": ""} and why()["a.png"]


@pytest.mark.parametrize(
    "text", ["1girl, 2 cats", "3 2 1 go", "cat", "a sign with 1 2 3 on it", "2024-01-01, new year"]
)
def test_captions_with_numbers_stay_captions(text):
    put({"d/a.png": None, "d/a.txt": text})
    assert prompts() == {"a.png": text}


def test_an_imagefolder_that_is_called_by_a_number_and_names_its_image_otherwise_is_no_geneval_folder():
    put({"d/2024/a.png": None, "d/2024/b.png": None})
    put({"d/2024/metadata.jsonl": [{"img": "a.png", "prompt": "a cat"}]})
    assert prompts() == {"2024/a.png": "a cat", "2024/b.png": ""}
