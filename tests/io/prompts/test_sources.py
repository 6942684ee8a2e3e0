"""Sources that are folders and files beside the images, one by one, and the prompt inside an image."""

import os

import pytest
from prompt_files import encoded, groups_of, look, prompts_of, put, refusals_of, source_of, with_text

pytestmark = pytest.mark.usefixtures("here")


# --- GenEval ---


@pytest.mark.parametrize("digits", [4, 5])
def test_a_geneval_folder_has_one_group_per_prompt_with_its_clauses(digits):
    clauses = {
        "tag": "counting",
        "include": [{"class": "clock", "count": 2}],
        "prompt": "a photo of two clocks",
    }
    put(
        {
            "d/00000/metadata.jsonl": clauses,
            "d/00001/metadata.jsonl": {**clauses, "prompt": "a photo of a bench"},
        }
    )
    put(dict.fromkeys([f"d/0000{i}/samples/{j:0{digits}}.png" for i in (0, 1) for j in (0, 1)]))
    put(
        {
            "d/00000/grid.png": None,
            "d/00000/samples/grid.png": None,
            f"d/00000/samples/{1:0{digits}}.png.bak": encoded(),
        }
    )
    found = look()
    assert source_of(found) == "GenEval folders"
    names = [f"d/00000/samples/{j:0{digits}}.png" for j in (0, 1)]
    assert list(prompts_of(found)) == [
        *names,
        *(name.replace("00000/s", "00001/s") for name in names),
    ]
    items = list(found.items())
    assert {item.group for item in items[:2]} == {"d/00000"} and {item.group for item in items[2:]} == {
        "d/00001"
    }
    assert items[0].metadata == clauses and items[0].prompt == "a photo of two clocks"
    assert set(refusals_of(found).values()) == {None}


@pytest.mark.parametrize("bad", ['{"prompt": ', "[1]", "null", "", "\xff", '{"prompt": "a", "prompt": "b"}'])
def test_a_geneval_folder_with_bad_metadata_is_refused_and_the_others_are_read(bad):
    put({"d/00000/metadata.jsonl": bad, "d/00001/metadata.jsonl": '{\n  "prompt": "a bench"\n}'})
    put(dict.fromkeys(["d/00000/samples/0000.png", "d/00001/samples/0000.png"]))
    found = look()
    assert source_of(found) == "GenEval folders"
    reasons = refusals_of(found)
    assert reasons["d/00000/samples/0000.png"].startswith("00000/metadata.jsonl is not one JSON object")
    assert (
        reasons["d/00001/samples/0000.png"] is None
        and prompts_of(found)["d/00001/samples/0000.png"] == "a bench"
    )


def test_a_numbered_folder_without_metadata_gives_images_without_a_prompt():
    put(
        {
            "d/00000/metadata.jsonl": {"prompt": "a bench"},
            "d/00002/metadata.jsonl": {"prompt": "nothing sampled"},
        }
    )
    put(dict.fromkeys(["d/00000/samples/0000.png", "d/00001/samples/0000.png"]))
    assert prompts_of(look()) == {"d/00000/samples/0000.png": "a bench", "d/00001/samples/0000.png": ""}
    assert set(refusals_of(look()).values()) == {None}


# --- prompt.txt, sidecars, parallel text, JSON map ---


def test_each_folder_with_a_prompt_txt_is_a_group():
    put({"d/one/prompt.txt": " a cat \n", "d/two/prompt.txt": "a cat", "d/empty/prompt.txt": ""})
    put(dict.fromkeys(["d/one/a.png", "d/one/b.png", "d/two/a.png", "d/empty/a.png", "d/a.png"]))
    found = look()
    assert source_of(found) == "one prompt.txt per folder"
    assert {name: prompt for name, prompt in prompts_of(found).items() if prompt} == dict.fromkeys(
        ["d/one/a.png", "d/one/b.png", "d/two/a.png"], "a cat"
    )
    assert groups_of(found) == {
        "d/a.png": "d",
        "d/empty/a.png": "d",
        "d/one/a.png": "d/one",
        "d/one/b.png": "d/one",
        "d/two/a.png": "d/two",
    }


def test_text_files_beside_images_are_their_prompts():
    put(dict.fromkeys(["d/a.png", "d/sub/b.jpg", "d/c.png", "d/d.tar.png"]))
    put({"d/a.txt": b"\xef\xbb\xbfa cat\n", "d/sub/b.caption": "a dog", "d/d.tar.txt": "a tar"})
    found = look()
    assert source_of(found) == "text files beside the images"
    assert prompts_of(found) == {
        "d/a.png": "a cat",
        "d/c.png": "",
        "d/d.tar.png": "a tar",
        "d/sub/b.jpg": "a dog",
    }


def test_single_images_have_sidecars_too():
    put({"x/a.png": None, "x/a.txt": "a cat"})
    assert prompts_of(look("x/a.png")) == {"x/a.png": "a cat"}


@pytest.mark.parametrize("path", ["data/images", "data", "data/images/"])
def test_a_parallel_folder_of_text_files_is_found_beside_or_inside(path):
    put(
        {
            "data/images/a.png": None,
            "data/images/s/b.png": None,
            "data/prompts/a.txt": "a cat",
            "data/prompts/s/b.txt": "a dog",
        }
    )
    found = look(path)
    assert source_of(found) == "a parallel folder of text files"
    assert prompts_of(found) == {"data/images/a.png": "a cat", "data/images/s/b.png": "a dog"}


def test_a_parallel_folder_is_found_from_inside_the_images():
    put({"data/images/a.png": None, "data/texts/a.txt": "a cat"})
    os.chdir("data/images")
    assert prompts_of(look(".")) == {"a.png": "a cat"}


def test_prompts_may_be_a_folder_of_text_files_anywhere():
    put({"d/a.png": None, "d/b.png": None, "texts/a.txt": "a cat"})
    found = look("d", prompts="texts")
    assert source_of(found) == "the manifest" and prompts_of(found) == {"d/a.png": "a cat", "d/b.png": ""}


@pytest.mark.parametrize("name", ["prompts.json", "captions.json"])
def test_a_json_map_in_the_folder_gives_prompts(name):
    put({"d/a.png": None, "d/b.png": None, f"d/{name}": {"a.png": "a cat"}})
    found = look()
    assert source_of(found) == "a JSON map of files to prompts"
    assert prompts_of(found) == {"d/a.png": "a cat", "d/b.png": ""}


def test_the_prompts_of_a_part_of_diffusiondb_are_read():
    record = {"p": "a cat", "se": 38, "c": 7.0, "st": 50, "sa": "k_lms"}
    put({"part-000001/a.png": None, "part-000001/part-000001.json": {"a.png": record}})
    assert prompts_of(look(".")) == {"part-000001/a.png": "a cat"}


def test_the_prompts_of_mjhq_are_read_from_its_ids_wherever_its_folders_lie():
    kept = {
        "0a1b": {"category": "animals", "prompt": "a cat"},
        "2c3d": {"category": "food", "prompt": "a pie"},
    }
    put({"imgs/animals/0a1b.png": None, "imgs/food/2c3d.png": None, "meta_data.json": kept})
    assert prompts_of(look(".")) == {"imgs/animals/0a1b.png": "a cat", "imgs/food/2c3d.png": "a pie"}


# --- prompts inside the image files (each program's: tests/io/embedded) ---


def test_the_prompt_inside_an_image_file_is_its_own():
    put(
        {
            "d/a.png": with_text(parameters="a cat <lora:x:1>\nSteps: 20, Sampler: Euler"),
            "d/b.png": None,
        }
    )
    found = look()
    assert source_of(found) == "the prompts inside the image files"
    assert prompts_of(found) == {"d/a.png": "a cat", "d/b.png": ""}
