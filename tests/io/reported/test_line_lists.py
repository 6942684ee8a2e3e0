"""Lists of prompts as people keep them: what is around the prompts is not trained on, and what is no list is
refused in words.
"""

import gzip
import json

import pytest

from rankkit.errors import RankkitError
from rankkit.io.prompt_lists import read_prompts

PROMPTS = ["a cat", "a dog"]


@pytest.mark.parametrize(
    "text",
    [
        "0. a cat\n1. a dog\n",
        "1: a cat\n2: a dog\n",
        "1\ta cat\n2\ta dog\n",
        "1. a cat\n\n3. a dog\n",
        "1. a cat\n1. a dog\n",
        "7) a cat\n8) a dog\n",
        '1. "a cat"\n2. "a dog"\n',
        "'a cat',\n'a dog',\n",
        "prompt: a cat\nPrompt: a dog\n",
        "# Prompts\n## Animals\n- a cat\n- a dog\n",
        "Prompts:\n1. a cat\n2. a dog\n",
        "prompt\na cat\na dog\n",
        "// mine\na cat\n====\n; later\na dog\n#a bird\n",
    ],
)
def test_what_stands_around_prompts_is_no_part_of_them(tmp_path, text):
    (tmp_path / "p.txt").write_text(text)
    assert [prompt for prompt, _ in read_prompts(tmp_path / "p.txt")] == PROMPTS


@pytest.mark.parametrize(
    "text",
    [
        "2001: a space odyssey\n2010: a sequel\n",
        "3. a cat\n1. a dog\n",
        "'twas night\nmen's hats\n",
        '"a cat"',
    ],
)
def test_what_only_looks_like_a_list_stays_as_it_is(tmp_path, text):
    (tmp_path / "p.txt").write_text(text)
    assert [prompt for prompt, _ in read_prompts(tmp_path / "p.txt")] == text.strip().split("\n")


def test_a_quotation_mark_inside_quotation_marks_is_one(tmp_path):
    (tmp_path / "p.txt").write_text('"a cat"\n"a sign, \\"stop\\""\n')
    assert [prompt for prompt, _ in read_prompts(tmp_path / "p.txt")] == ["a cat", 'a sign, "stop"']


def test_lines_that_are_left_out_are_counted(tmp_path):
    (tmp_path / "p.txt").write_text("Prompts:\n// mine\na cat\n")
    assert read_prompts(tmp_path / "p.txt").notes == ("2 lines that are comments or headings are left out",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,prompt\n1,a cat\n", r"names columns \(id,prompt\); call it \.csv"),
        ("prompt\tcategory\na cat\tanimal\n", r"names columns .*; call it \.tsv"),
        ("a cat\tanimal\na dog\tanimal\n", "2 cells separated by tabs, .* a first line that names them"),
        ("a.png\ta cat\nb.png\ta dog\n", "begin with names of images"),
        ("a cat\nNegative prompt: ugly\nSteps: 20, Sampler: Euler\n", "settings by their names"),
        ("prompt: a cat\nseed: 1\nprompt: a dog\nseed: 2\n", "settings by their names"),
        ("Prompt: a cat\nNegative prompt: ugly\n", "settings by their names"),
        ('prompts = [\n"a cat",\n"a dog",\n]\n', "is a program"),
        ('--prompt "a cat" --negative_prompt "ugly"\n--prompt "a dog"\n', "options of a program"),
        ("a blue dog -s30 -C7.5\na cat\n", "options of a program"),
        ("['a cat', 'a dog']\n", "a list as programs write it"),
        ("1\n2\n3\n", "numbers and no words"),
        ("a cat " * 5000, r"29,999 characters"),
        ("a cat\x1b[31m\n", r"control characters \(a cat\\x1b\[31m\)"),
    ],
)
def test_what_is_no_list_with_a_prompt_on_each_line_is_refused(tmp_path, text, words):
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(RankkitError, match=words) as refused:
        read_prompts(tmp_path / "p.txt")
    assert str(refused.value).startswith(str(tmp_path / "p.txt")) and "\x1b" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("p.txt", gzip.compress(b"a cat", mtime=0), "compressed"),
        ("p.jsonl.gz", gzip.compress(b"{}", mtime=0), "compressed"),
        ("p.csv", b"PK\x03\x04", "an archive or an office document"),
        ("p.txt", b"%PDF-1.5\nstream", "a PDF"),
        ("p.arrow", b"ARROW1\0\0", "an Arrow file"),
    ],
)
def test_a_file_that_is_no_text_is_said_to_be_what_it_is(tmp_path, name, data, what):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(RankkitError, match=f"is {what}.*not a list of prompts"):
        read_prompts(tmp_path / name)


@pytest.mark.parametrize(
    "names",
    [
        ("train.jsonl", "test.jsonl"),
        ("train-00000-of-00001.jsonl", "validation-00000-of-00001.jsonl"),
        ("train/a.jsonl", "test/a.jsonl"),
    ],
)
def test_of_several_splits_none_is_trained_on_unless_it_is_named(tmp_path, names):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"prompt": "a cat"}\n')
    (tmp_path / "dataset_infos.json").write_text("{}")
    with pytest.raises(RankkitError, match=r"several splits \(\w+, \w+\); name the file of one"):
        read_prompts(tmp_path)
    assert [prompt for prompt, _ in read_prompts(tmp_path / names[0])] == ["a cat"]


def test_a_dataset_that_was_saved_to_disk_is_refused_with_the_way_out(tmp_path):
    for name in ("state.json", "dataset_info.json", "data-00000-of-00001.arrow"):
        (tmp_path / name).write_text('{"_data_files": []}')
    with pytest.raises(RankkitError, match=r"Arrow files.*to_parquet"):
        read_prompts(tmp_path)


def test_a_column_of_numbers_alone_holds_no_prompts(tmp_path):
    (tmp_path / "p.csv").write_text("prompt,score\n1,2\n2,3\n")
    with pytest.raises(RankkitError, match="is a number, as all in its column"):
        read_prompts(tmp_path / "p.csv")


def test_all_that_a_program_wrote_into_a_cell_gives_its_prompt_in_plain_words(tmp_path):
    text = "a fox, (fur:1.3) <lora:snow:0.8>\nNegative prompt: ugly\nSteps: 20, Sampler: Euler a, Seed: 1"
    (tmp_path / "p.jsonl").write_text(json.dumps({"prompt": text}))
    assert read_prompts(tmp_path / "p.jsonl") == [("a fox, fur", {})]


def test_what_is_kept_though_it_may_not_be_meant_is_said(tmp_path):
    (tmp_path / "p.txt").write_text("a fox <lora:snow:0.8>\na {red|blue} car\na cat\n")
    (tmp_path / "p.jsonl").write_text('{"prompt": ["a cat", "a kitten"]}\n')
    assert read_prompts(tmp_path / "p.txt").notes == (
        "2 prompts hold a generator's syntax (<lora:snow:0.8>), which is kept as written",
    )
    assert read_prompts(tmp_path / "p.jsonl").notes == ("1 row with several prompts: the first is taken",)


def test_an_object_of_prompts_is_a_list_of_them(tmp_path):
    (tmp_path / "p.json").write_text('{"version": 1, "prompts": ["a cat", "a dog"]}')
    assert [prompt for prompt, _ in read_prompts(tmp_path / "p.json")] == PROMPTS
