"""Prompts without names of images: when they go to the images in order, and when something tells another."""

import json

import pytest
from prompt_files import prompts, put, why

from rankkit.errors import BadSource

pytestmark = pytest.mark.usefixtures("here")

NUMBERED = dict.fromkeys(["d/img_1.png", "d/img_2.png", "d/img_3.png"])


def test_lines_do_not_go_by_the_order_of_names_whose_numbers_say_another_one():
    """T2I-CompBench's samples: a prompt and the number of its line, and names sort by the prompt."""
    put(
        {
            "d/red cow_000000.png": None,
            "d/green bench_000001.png": None,
            "m.txt": "a red cow\na green bench\n",
        }
    )
    with pytest.raises(BadSource, match="count from 0 to 1, and not in their own order"):
        prompts(prompts="m.txt")
    put({"e/a_0.png": None, "e/b_1.png": None})
    assert prompts("e", prompts="m.txt") == {"e/a_0.png": "a red cow", "e/b_1.png": "a green bench"}


@pytest.mark.parametrize(
    "names",
    [
        ["bob_a_red_cow_on_a_hill_01234567-89ab.png", "bob_a_green_bench_89abcdef-0123.png"],  # Midjourney's
        ["a red cow on-1234567.png", "a green bench-7654321.png"],  # [prompt_words] of A1111 and Forge
        ["A_red_cow_on_a_hi_T3bS0.jpeg", "A_green_bench_T3bS1.jpeg"],  # $p_$tsb64 of Easy Diffusion
        ["x/A red cow, on a hill/0.png", "x/A green bench/0.png"],
    ],
)
def test_lines_do_not_go_to_images_that_are_called_by_the_words_of_others(names):
    lines = {"right": "a green bench\na red cow on a hill\n", "other": "a red cow on a hill\na green bench\n"}
    put({**{f"d/{name}": None for name in names}, "right.txt": lines["right"], "other.txt": lines["other"]})
    assert prompts(prompts="right.txt") == dict(
        zip(names, ["a red cow on a hill", "a green bench"], strict=True)
    )
    with pytest.raises(BadSource, match="is called by the words of prompt 2, and is image 1"):
        prompts(prompts="other.txt")
    put({f"e/{name.rpartition('/')[2]}": None for name in names[:2]} | {"e/prompt.txt": lines["other"]})
    if "/" not in names[0]:
        assert set(prompts("e").values()) == {""}


def test_a_list_in_a_folder_is_refused_for_what_one_that_was_named_is_refused_for():
    put({**NUMBERED, "d/prompts.txt": "3. a red fox\n1. a blue dog\n2. a grey cat\n"})
    assert set(prompts().values()) == {""} and "not in order" in why()["img_1.png"]


@pytest.mark.parametrize("prefix", ["", "mine_"])
def test_kohyas_samples_of_several_epochs_have_the_prompt_of_their_number(prefix):
    """sample_image_inference of sd-scripts: a name before the epoch may lack; a line of `#…` is no prompt."""
    names = [f"{prefix}e00000{e}_0{n}_2025010112000{e}_42.png" for e in (1, 2) for n in (0, 1)]
    put({**{f"d/{name}": None for name in names}, "d/prompt.txt": "#off a cow\na fox\na dog\na cat\na bee\n"})
    assert list(prompts().values()) == ["a fox", "a dog", "a fox", "a dog"]


def test_options_of_ai_toolkit_are_no_words():
    """_process_prompt_string of ai-toolkit: --p2 is for the second encoder, --n2 its negative prompt."""
    names = [f"1716000000000__000000250_{n}.jpg" for n in (0, 1)]
    put({**{f"d/{name}": None for name in names}})
    put({"d/prompt.txt": "a fox --p2 oil --n2 bad --network_multiplier 2\na dog\n"})
    assert list(prompts().values()) == ["a fox", "a dog"]


def test_a_prompt_of_several_lines_in_the_text_file_of_easy_diffusion_is_whole():
    text = "Prompt: a fox\nin snow\nNegative Prompt: bad\nSeed: 1\nStable Diffusion model: x\n"
    put({"d/a.png": None, "d/a.txt": text})
    assert prompts() == {"a.png": "a fox in snow"}


def test_numbers_and_shares_are_no_names_of_files():
    put({"d/1.png": None, "d/2.png": None})
    for values in (("2.0", "1.0"), ("1/2", "2/1"), ("3.5", "4.5")):
        rows = [{"score": values[0], "prompt": "a dog"}, {"score": values[1], "prompt": "a cat"}]
        put({"m.jsonl": rows})
        assert prompts(prompts="m.jsonl") == {"1.png": "a dog", "2.png": "a cat"}


def test_lines_do_not_go_in_order_where_a_column_holds_pieces_of_the_names_in_another_one():
    put({"d/x_b1.png": None, "d/x_a1.png": None, "m.csv": "uid,prompt\nb1,a dog\na1,a cat\n"})
    with pytest.raises(BadSource, match="'uid' holds a piece of each image's name"):
        prompts(prompts="m.csv")
    put({"m.csv": "uid,prompt\na1,a cat\nb1,a dog\n"})
    assert prompts(prompts="m.csv") == {"x_a1.png": "a cat", "x_b1.png": "a dog"}


@pytest.mark.parametrize(
    "form",
    ["{}: {}", "{},{}", "{} {}", "[{}] {}", "#{} {}", "{} - {}", "{}|{}", "({}) {}"],
)
@pytest.mark.parametrize("names", [("img_1", "img_2"), ("001", "002"), ("1", "2"), ("fox", "owl")])
def test_lines_that_begin_with_names_or_numbers_of_images_in_another_order_are_no_list(form, names):
    first, second = names
    put({f"d/{first}.png": None, f"d/{second}.png": None})
    put({"m.txt": f"{form.format(second, 'a dog')}\n{form.format(first, 'a cat')}\n"})
    with pytest.raises(BadSource):
        prompts(prompts="m.txt")
    put({"d/prompt.txt": f"{form.format(second, 'a dog')}\n{form.format(first, 'a cat')}\n"})
    assert set(prompts().values()) == {""}


def test_lines_that_hold_names_of_files_are_no_list_and_words_that_are_names_too_may_be():
    put({"d/a.png": None, "d/b.png": None, "m.txt": "a dog (b.png)\na cat (a.png)\n"})
    with pytest.raises(BadSource, match="hold names of images"):
        prompts(prompts="m.txt")
    put({"e/1.png": None, "e/2.png": None, "m.txt": "1 fox in snow\n2 foxes in rain\n"})
    assert prompts("e", prompts="m.txt") == {"e/1.png": "1 fox in snow", "e/2.png": "2 foxes in rain"}
    put({"f/a.png": None, "m.txt": "a cat\n"})
    assert prompts("f", prompts="m.txt") == {"f/a.png": "a cat"}


@pytest.mark.parametrize(
    ("names", "table"),
    [
        (("0.png", "1.png"), "id,prompt\n2,a cat\n1,a dog\n"),
        (("1.png", "2.png"), "Unnamed: 0,prompt\n1,a dog\n0,a cat\n"),
        (("00000-222.png", "00001-111.png"), "seed,prompt\n111,a dog\n222,a cat\n"),
        (("0001_seed42.png", "0002_seed42.png"), "id,prompt\n2,a dog\n1,a cat\n"),
        (("p1_s7.png", "p2_s7.png"), "prompt_id,prompt\n2,a dog\n1,a cat\n"),
        (("2.png", "5.png"), ",prompt\n5,a dog\n2,a cat\n"),
        (("0.png", "1.png", "2.png"), ",prompt\n2,a dog\n0,a cat\n1,an owl\n"),
        (("0_0.png", "3_0.png", "7_0.png"), "case_number,prompt\n7,a dog\n0,a cat\n3,an owl\n"),
        (("12_0.png", "35_0.png"), "uid,prompt\n35,a dog\n12,a cat\n"),
        (("12_0.png", "35_0.png"), "promptId,prompt\n35,a dog\n12,a cat\n"),
        (("12_0.png", "35_0.png"), "coco,prompt\n35,a dog\n12,a cat\n"),
    ],
)
def test_lines_do_not_go_in_order_where_their_numbers_tell_another_one(names, table):
    """Shuffled tables, as pandas and spreadsheets write them."""
    put({**{f"d/{name}": None for name in names}, "m.csv": table})
    with pytest.raises(BadSource, match="order|could number"):
        prompts(prompts="m.csv")


def test_numbers_that_count_lines_in_order_or_are_of_something_else_leave_the_order_alone():
    put({"d/1.png": None, "d/2.png": None})
    for table in (
        "id,prompt\n0,a cat\n1,a dog\n",
        "id,prompt\n17,a cat\n4,a dog\n",
        "rank,prompt\n4,a cat\n3,a dog\n",
        ",prompt\n0,a cat\n1,a dog\n",
    ):
        put({"m.csv": table})
        assert prompts(prompts="m.csv") == {"1.png": "a cat", "2.png": "a dog"}


@pytest.mark.parametrize(
    "names",
    [
        ("img-Xk2pQ.png", "img-aB91z.png", "img-Qw7Ee.png"),
        ("seed_5.png", "seed_42.png", "seed_99.png"),
        ("p0s0.png", "p0s1.png", "p1s0.png"),
        ("cat.png", "dog.png", "owl.png"),
        (
            "ChatGPT Image Apr 1, 2025, 09_00_00 PM.png",
            "ChatGPT Image Apr 1, 2025, 10_00_00 AM.png",
            "c 1.png",
        ),
        (
            "Shot 2024-05-01 at 1.41.00 PM.png",
            "Shot 2024-05-01 at 9.41.00 AM.png",
            "Shot 2024-05-02 at 1.00.00 AM.png",
        ),
    ],
)
def test_a_list_in_a_folder_does_not_go_to_images_whose_names_do_not_count(names):
    put({**{f"d/{name}": None for name in names}, "d/prompts.txt": "a cat\na dog\nan owl\n"})
    assert set(prompts().values()) == {""} and "do not count" in why()[names[0]]


@pytest.mark.parametrize(
    "names",
    [
        ("00000-771.png", "00001-13.png"),
        ("ComfyUI_00011_.png", "ComfyUI_00012_.png"),
        ("Screenshot 2024-05-01 at 9.png", "Screenshot 2024-05-03 at 1.png"),
        ("1700000000.png", "1700000044.png"),
        ("a.png", "b.png"),
    ],
)
def test_a_list_in_a_folder_goes_to_images_whose_names_count_or_tell_the_time(names):
    put({**{f"d/{name}": None for name in names}, "d/prompts.txt": "a cat\na dog\n"})
    assert prompts() == dict(zip(names, ("a cat", "a dog"), strict=True))


def test_a_prompt_that_was_wrapped_at_its_commas_is_no_list_of_two():
    put({"d/a.png": None, "d/b.png": None, "d/prompt.txt": "a fox in snow,\n35mm photo, film grain\n"})
    assert set(prompts().values()) == {""} and "may be one prompt" in why()["a.png"]


@pytest.mark.parametrize("column", ["prompt_id", "coco_id", "image_idx", "filename_idx"])
def test_a_list_beside_a_folder_whose_own_numbers_are_not_those_of_its_lines_is_not_that_of_its_images(
    column,
):
    kept = [{column: 1, "prompt": "a cat"}, {column: 0, "prompt": "a dog"}]
    put({"d/ink/0.png": None, "d/ink/1.png": None, "d/ink.json": json.dumps(kept)})
    assert set(prompts().values()) == {""}
    put(
        {
            "d/ink.json": json.dumps(
                [{column: at, "prompt": text} for at, text in enumerate(("a cat", "a dog"))]
            )
        }
    )
    assert prompts() == {"ink/0.png": "a cat", "ink/1.png": "a dog"}


def test_counts_beside_the_prompts_of_a_list_number_nothing():
    kept = [{"num": 4, "prompt": "a cat"}, {"num": 4, "prompt": "a dog"}]
    put({"d/ink/0.png": None, "d/ink/1.png": None, "d/ink.json": json.dumps(kept)})
    assert prompts() == {"ink/0.png": "a cat", "ink/1.png": "a dog"}
