"""Lists of prompts without names: whose they are by the images' names, or nobody's."""

import pytest
from prompt_files import look, prompts, put, why

from rankkit.errors import BadSource

pytestmark = pytest.mark.usefixtures("here")

LIST = "a fox\na dog\na cat\n"


@pytest.mark.parametrize("sheet", ["grid.png", "grid-0000.png", "Grid_1.jpg", "contact_sheet.png"])
def test_a_contact_sheet_beside_the_images_gets_no_prompt_of_a_list(sheet):
    put({"d/1.png": None, "d/2.png": None, f"d/{sheet}": None, "d/prompts.txt": LIST})
    assert set(prompts().values()) == {""} and "list of 3 prompts, and there are 2 images" in why()["1.png"]
    put({"d/3.png": None})
    assert prompts() == {"1.png": "a fox", "2.png": "a dog", "3.png": "a cat", sheet: ""}
    put({"e/1.png": None, "e/2.png": None, f"e/{sheet}": None, "p.txt": LIST})
    with pytest.raises(BadSource, match="contact sheets"):
        look("e", prompts="p.txt")


def test_what_macos_puts_beside_images_is_not_counted_among_them():
    put({f"d/{number}.png": None for number in (1, 2, 3)})
    put({"d/._1.png": b"\0\5\x16\7", "d/.hidden.png": None, "d/prompts.txt": LIST})
    assert list(prompts().values()) == ["a fox", "a dog", "a cat"]


def test_ai_toolkits_sample_images_have_the_prompt_of_their_number():
    names = [
        f"17250000{step}{number}123__0000002{step}0_{number}.jpg" for step in (1, 5) for number in range(3)
    ]
    put({"d/samples/prompts.txt": LIST, **{f"d/samples/{name}": None for name in names}})
    assert list(prompts().values()) == ["a fox", "a dog", "a cat"] * 2


@pytest.mark.parametrize(
    "name", ["{0:05}_{1}.png", "{0}-{1:04}.png", "cat{0}_{1}.png", "p{0}/img_{0}_{1}.png", "{0}/{1}.png"]
)
def test_names_that_count_samples_of_prompts_are_not_taken_for_a_prompt_each(name):
    put({f"d/{name.format(i, j)}": None for i in range(2) for j in range(2)})
    put({"p.txt": "a fox\na dog\na cat\na cow\n", "p.csv": "prompt\na fox\na dog\na cat\na cow\n"})
    for table in ("p.txt", "p.csv"):
        with pytest.raises(BadSource, match="count 2 samples of each of 2 things.*a table that names"):
            look(prompts=table)


def test_names_that_count_samples_of_prompts_beside_a_list_get_none():
    put({f"d/{i:05}_{j}.png": None for i in range(2) for j in range(2)})
    put({"d/prompts.txt": "a fox\na dog\na cat\na cow\n"})
    assert set(prompts().values()) == {""} and "its order is not that of the images" in why()["00000_0.png"]


@pytest.mark.parametrize("names", [["x_1", "x_2", "x_3"], ["a_1", "b_1", "c_1"], ["a_1", "a_2", "b_1"]])
def test_other_names_with_numbers_are_taken_in_their_order(names):
    put({"p.txt": LIST, **{f"d/{name}.png": None for name in names}})
    assert list(prompts(prompts="p.txt").values()) == ["a fox", "a dog", "a cat"]


@pytest.mark.parametrize("folder", ["@eaDir/a.png", "#recycle", "$RECYCLE.BIN", ".@__thumb", "@Recycle"])
def test_previews_and_bins_of_file_servers_hold_no_images(folder):
    put(
        {
            "d/a.png": None,
            "d/a.txt": "a fox",
            f"d/{folder}/thumb.jpg": None,
            f"d/{folder}/metadata.csv": "x\n1",
        }
    )
    assert prompts() == {"a.png": "a fox"} and look().notes == ()


def test_a_prompt_by_its_place_is_in_plain_words_as_one_by_its_name():
    put(
        {
            "d/1.png": None,
            "d/2.png": None,
            "p.csv": 'prompt\na fox --ar 3:2\n"a dog (red:1.2)\nSteps: 20, Seed: 1"\n',
        }
    )
    assert prompts(prompts="p.csv") == {"1.png": "a fox", "2.png": "a dog red"}
    assert prompts(prompts="p.csv", raw=True) == {"1.png": "a fox --ar 3:2", "2.png": "a dog (red:1.2)"}


def test_a_line_that_is_no_prompt_says_why():
    put({"d/1.png": None, "d/2.png": None, "p.txt": "a fox\nI'm sorry, but I can't help with that.\n"})
    found = {item.name: (item.prompt, item.why) for item in look(prompts="p.txt").items()}
    assert found["d/1.png"] == ("a fox", "") and "a model said" in found["d/2.png"][1]
