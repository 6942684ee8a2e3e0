"""Tables that were written on another machine, or name each image more than once: found, or not at all."""

import json

import pytest
from prompt_files import look, prompts, put, why

pytestmark = pytest.mark.usefixtures("here")


def table(*rows):
    return "\n".join(json.dumps({"image": name, "prompt": prompt}) for name, prompt in rows)


@pytest.mark.parametrize(
    "folder", ["/home/bob/data/", "C:\\Users\\bob\\", "D:/x/", "/data/local-files/?d=imgs/"]
)
def test_absolute_paths_of_another_machine_are_paths_from_the_folder_that_they_share(folder):
    """Label Studio 1.13 (local files) and pandas on Windows write such tables."""
    slash = "\\" if "\\" in folder else "/"
    rows = [(f"{folder}a.png", "a cat"), (f"{folder}x{slash}b.png", "a dog")]
    put({"d/a.png": None, "d/x/b.png": None, "m.jsonl": table(*rows)})
    assert prompts(prompts="m.jsonl") == {"a.png": "a cat", "x/b.png": "a dog"}
    put({"d/metadata.jsonl": table(*rows)})
    assert prompts() == {"a.png": "a cat", "x/b.png": "a dog"}


def test_a_folder_that_all_of_them_share_may_be_here_too():
    put({"d/images/a.png": None, "m.jsonl": table(("/home/bob/out/images/a.png", "a cat"))})
    assert prompts(prompts="m.jsonl") == {"images/a.png": "a cat"}


def test_a_path_of_another_machine_that_may_be_either_of_two_images_names_none():
    put({"d/1.png": None, "d/2.png": None, "d/b/1.png": None})
    put({"d/metadata.jsonl": table(("C:\\x\\b\\1.png", "a cat"), ("C:\\x\\b\\2.png", "a dog"))})
    told = prompts()
    assert told["1.png"] == told["b/1.png"] == "" and told["2.png"] == "a dog"


def test_absolute_paths_that_are_not_here_under_any_such_folder_name_nothing():
    rows = [
        ("/home/bob/one/a.png", "a cat"),
        ("/home/bob/two/a.png", "a dog"),
        ("/home/bob/../a.png", "a fox"),
    ]
    put({"d/a.png": None, "m.jsonl": table(*rows)})
    assert prompts(prompts="m.jsonl") == {"a.png": ""}
    assert any("names no image" in note for note in look(prompts="m.jsonl").notes)


def test_a_name_that_is_percent_encoded_is_found_and_one_that_only_looks_so_stays():
    put({"d/my cat.png": None, "m.jsonl": table(("my%20cat.png", "a cat"))})
    assert prompts(prompts="m.jsonl") == {"my cat.png": "a cat"}
    put({"e/100%25.png": None, "e/100%.png": None, "m.jsonl": table(("100%25.png", "a cat"))})
    assert prompts("e", prompts="m.jsonl") == {"e/100%25.png": "a cat", "e/100%.png": ""}


def test_a_table_with_a_row_for_each_question_names_its_images_by_the_prompt_they_share():
    """dpg_bench.csv of ELLA's DPG-Bench: a row per question, the prompt repeated."""
    rows = ["item_id,text,proposition_id", "p0,a cat,1", "p0,a cat,2", "p1,a dog,1"]
    put({"d/p0.png": None, "d/p1.png": None, "m.csv": "\n".join(rows)})
    assert prompts(prompts="m.csv") == {"p0.png": "a cat", "p1.png": "a dog"}
    with pytest.raises(Exception, match="2 of the 2 images, and not each once with one prompt"):
        put({"m.csv": "\n".join([*rows[:2], "p0,a fox,2", rows[3]])})
        prompts(prompts="m.csv")


def test_the_log_of_a1111_is_named_with_how_to_read_it():
    """log.csv of A1111 1.10 and Forge lies beside the images that were saved by hand."""
    log = "prompt,seed,filename,negative_prompt\na fox,1,00001-1.png,bad\n"
    put({"d/00001-1.png": None, "d/log.csv": log})
    assert any("--prompts d/log.csv" in note for note in look().notes)
    assert prompts(prompts="d/log.csv") == {"00001-1.png": "a fox"}


def test_the_text_file_of_easy_diffusion_gives_its_prompt():
    """save_utils.py of Easy Diffusion 3: a line per setting, by the names of the page; both orders it had."""
    old = "Prompt: a fox, red: bright\nWidth: 512\nSeed: 1\nNegative Prompt: bad\nStable Diffusion model: x\n"
    new = "Prompt: a fox, red: bright\r\nNegative Prompt: bad\r\nSeed: 1\r\nStable Diffusion model: x\r\n"
    put({"d/a.png": None, "d/a.txt": old, "d/b.png": None, "d/b.txt": new})
    assert prompts() == {"a.png": "a fox, red: bright", "b.png": "a fox, red: bright"}
    put({"d/b.txt": "Prompt: a fox\nSeed: 1\n"})
    assert prompts()["b.png"] == "" and "not known which" in why()["b.png"]


@pytest.mark.parametrize(
    "text", ["1girl\nsolo\nfox ears\nsnow", "character:fox\nrating:safe\nlooking at viewer"]
)
def test_a_line_for_each_tag_is_not_a_caption_per_line(text):
    """Hydrus 550 and tag exporters write a tag per line."""
    put({"d/a.png": None, "d/a.txt": text})
    assert prompts() == {"a.png": ""} and "tag" in why()["a.png"]
    put({"d/a.txt": "a cat\na red cat\nan animal"})
    assert prompts() == {"a.png": "a cat"}


@pytest.mark.parametrize("text", ["<image>\nIs it red?", "Describe this.<image>"])
def test_a_message_to_a_model_is_no_prompt(text):
    """LLaVA's and InternVL's data have a place for the image in the text."""
    put({"d/a.png": None, "m.jsonl": table(("a.png", text))})
    assert prompts(prompts="m.jsonl") == {"a.png": ""}


def test_a_group_holds_one_prompt_also_where_an_id_has_two_far_down_a_table_with_folders():
    rows = [
        {"image": f"x/{i}.png", "prompt": f"cat {i // 2}", "id": i // (2 if i < 1100 else 4)}
        for i in range(1200)
    ]
    put({"d/a.png": None, "m.jsonl": "\n".join(map(json.dumps, rows))})
    prompts_of = dict[str, set[str]]()
    for item in look(prompts="m.jsonl").items():
        prompts_of.setdefault(item.group, set()).add(item.prompt)
    assert max(map(len, prompts_of.values())) == 1
