"""What stands in the prompt column of a table and in text files: a prompt, or the reason why it is none."""

import pytest
from PIL import Image

from rankkit.errors import UsageError
from rankkit.io.prompt_lists import read_prompts
from rankkit.io.prompts.reading.texts import answer_in, answer_in_text
from rankkit.io.prompts.survey import survey
from rankkit.io.text import decode_text

INFOTEXT = "a fox, (fur:1.2)\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, Seed: 1"


def prompts_of(folder, cells):
    for number in range(len(cells)):
        Image.new("RGB", (4, 4)).save(folder / f"{number}.png")
    rows = [f"{number}.png,{cell}" for number, cell in enumerate(cells)]
    (folder / "metadata.csv").write_text("\n".join(["file_name,text", *rows]))
    (found,) = survey([str(folder)])
    return [(each.prompt, each.why) for each in found.findings()]


def test_numbers_alone_are_classes_and_no_prompts(tmp_path):
    assert all(not prompt and "number" in why for prompt, why in prompts_of(tmp_path, ["7", "1e5", "-1.0"]))


def test_a_number_among_words_is_the_prompt_that_a_benchmark_has(tmp_path):
    assert [prompt for prompt, _ in prompts_of(tmp_path, ["42", "a fox", "007"])] == ["42", "a fox", "007"]


@pytest.mark.parametrize(
    "cell", ["#N/A", "#NAME?", "\\N", "N/A", "undefined", "-", "NaN", "NULL", " ", "\xa0"]
)
def test_a_cell_that_was_empty_is_no_prompt(cell):
    assert not answer_in(cell).texts


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("https://example.com/a.png", "address"),
        ("prompts/a.txt", "text file"),
        ("??? ?????, ??", "lost"),
        ("{\\rtf1\\ansi a fox}", "RTF"),
    ],
)
def test_text_that_leads_elsewhere_is_no_prompt(cell, why):
    answer = answer_in_text(cell, "a.txt")
    assert not answer.texts and why in answer.why


def test_a_cell_with_all_that_a_program_wrote_gives_its_prompt(tmp_path):
    quoted = '"' + INFOTEXT + '"'
    assert [prompt for prompt, _ in prompts_of(tmp_path, [quoted, "a dog"])] == ["a fox, fur", "a dog"]
    assert answer_in_text(INFOTEXT, "a.txt").texts == ("a fox, (fur:1.2)",)


def test_a_sign_with_such_words_stays_a_prompt():
    assert answer_in("Steps: a painting of stairs").texts == ("Steps: a painting of stairs",)


def test_lines_that_count_themselves_lose_their_numbers(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("1. a fox\n2) a dog\n3. 3 cats\n")
    assert [prompt for prompt, _ in read_prompts(path)] == ["a fox", "a dog", "3 cats"]
    path.write_text("1. a fox\na dog\n")
    assert [prompt for prompt, _ in read_prompts(path)] == ["1. a fox", "a dog"]


@pytest.mark.parametrize(
    "text",
    [
        "Prompt: a fox\nNegative: blurry\nSeed: 1\nSteps: 20",
        "seed=1\nprompt=a fox",
        "---\ntitle: x\n---\na fox",
    ],
)
def test_settings_by_their_names_are_no_captions(text):
    answer = answer_in_text(text, "a.txt")
    assert not answer.texts and "settings" in answer.why


def test_numbers_alone_in_the_order_of_the_images_are_no_prompts(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    (tmp_path / "p.txt").write_text("1\n2\n")
    (found,) = survey([str(tmp_path)], prompts=tmp_path / "p.txt")
    assert [each.prompt for each in found.findings()] == ["", ""]


@pytest.mark.parametrize(
    "lines", ['"a fox",\n"a dog"', "- a fox\n- a dog", "# mine\na fox\nnan\na dog", "1) a fox\n2) a dog"]
)
def test_a_list_is_read_without_what_stands_around_its_lines(tmp_path, lines):
    (tmp_path / "p.txt").write_text(lines)
    assert [prompt for prompt, _ in read_prompts(tmp_path / "p.txt")] == ["a fox", "a dog"]


@pytest.mark.parametrize(("name", "text"), [("p.txt", '["a fox", "a dog"]'), ("p.yaml", "- a fox\n- a dog")])
def test_a_list_in_a_file_of_another_kind_is_refused_with_the_way_out(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=r"call it \.json|list of prompts"):
        read_prompts(tmp_path / name)


def test_a_compressed_archive_in_a_folder_is_said_not_to_be_read(tmp_path):
    (tmp_path / "0.tar.gz").write_bytes(b"\x1f\x8b")
    (found,) = survey([str(tmp_path)])
    assert any("unpack" in note for note in found.notes)


def test_the_coding_of_old_macs_is_refused_and_not_read_as_another():
    with pytest.raises(ValueError, match="UTF-8"):
        decode_text("a café".encode("mac-roman"))
