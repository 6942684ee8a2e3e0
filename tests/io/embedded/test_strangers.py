"""Texts that other people's programs write beside the pixels: read as they were meant, or not at all."""

import json
import zlib

import pytest
from comfy_graphs import graph, node, prompt, why
from marked_images import IMAGE, SETTINGS, chunk, png, prompt_of, with_chunks, with_comment

from rankkit.io.prompts.embedded.source import read_texts
from rankkit.io.prompts.survey import survey
from rankkit.io.prompts.syntax import plain_words

FORM = "\nNegative prompt: blurry\n" + SETTINGS
JOB = "Job ID: 01234567-89ab-cdef-0123-456789abcdef"


@pytest.mark.parametrize(
    ("prompt", "coding"),
    [("テスト café", "utf-8"), ("a café", "latin-1"), ("a “red” apple", "cp1252"), ("a café", "utf-8")],
)
@pytest.mark.parametrize("kind", ["tEXt", "zTXt"])
def test_a_png_chunk_is_read_in_the_coding_that_its_program_wrote(tmp_path, prompt, coding, kind):
    text = (prompt + FORM).encode(coding)
    body = text if kind == "tEXt" else b"\0" + zlib.compress(text)
    path = with_chunks(tmp_path / "a.png", chunk(kind.encode(), b"parameters\0" + body))
    assert prompt_of(path) == prompt


def test_a_chunk_that_is_unicode_by_its_kind_is_not_decoded_again(tmp_path):
    assert prompt_of(png(tmp_path / "a.png", parameters="cafÃ©" + FORM)) == "cafÃ©"


@pytest.mark.parametrize("coding", ["gbk", "shift_jis", "euc_kr"])
def test_text_in_a_coding_that_nothing_names_is_no_prompt(tmp_path, coding):
    text = (
        {"gbk": "一个红苹果", "shift_jis": "赤いりんごの絵", "euc_kr": "빨간 사과"}[coding] + FORM
    ).encode(coding)
    assert prompt_of(with_comment(tmp_path / "a.jpg", b"ASCII\0\0\0" + text)) is None
    assert prompt_of(with_chunks(tmp_path / "a.png", chunk(b"tEXt", b"parameters\0" + text))) is None


@pytest.mark.parametrize("begin", [b"Unicode\0", b"UNICODE\0" + "charset=Unicode ".encode("utf-16-be")])
def test_a_coding_is_known_however_it_is_spelt(tmp_path, begin):
    path = with_comment(tmp_path / "a.jpg", begin + ("a fox" + FORM).encode("utf-16-be"))
    assert prompt_of(path) == "a fox"


def test_comments_of_gif_and_tiff_are_read(tmp_path):
    IMAGE.save(tmp_path / "a.gif", comment=("a fox" + FORM).encode())
    with_comment(tmp_path / "a.tif", b"ASCII\0\0\0" + ("a fox" + FORM).encode(), "TIFF")
    assert [prompt_of(tmp_path / name) for name in ("a.gif", "a.tif")] == ["a fox", "a fox"]


@pytest.mark.parametrize(
    "text",
    [
        "https://civitai.com/images/12345",
        "<html><body>404</body></html>",
        "eyJwcm9tcHQiOiJhIHJlZCBhcHBsZSJ9",
        "None",
        "nan",
        "7",
        "undefined",
        "prompt: a fox\nnegative_prompt: blurry\nsteps: 20",
        "正面提示词: a fox\n反向提示词: blurry\n步数: 20",
    ],
)
@pytest.mark.parametrize("name", ["parameters", "prompt"])
def test_a_chunk_that_says_something_else_is_no_prompt(name, text):
    found = read_texts({name: text})
    assert found is None or found.prompt is None


def test_a_chunk_named_prompt_is_read_as_words_or_in_the_usual_form():
    assert read_texts({"prompt": "🍎"}).prompt == "🍎"
    for text in ("a fox", "a fox" + FORM, "Prompt: a fox" + FORM, "Positive prompt: a fox" + FORM):
        assert read_texts({"prompt": text}).prompt == "a fox"


def test_a_second_prompt_that_begins_with_the_first_is_not_said_twice():
    texts = {"positive_prompt": "a fox", "positive_style_prompt": "a fox oil painting"}
    assert read_texts({"invokeai_metadata": json.dumps(texts)}).prompt == "a fox oil painting"


def test_addresses_of_images_alone_are_no_prompt():
    assert not read_texts({"Description": f"https://s.mj.run/a https://s.mj.run/b --v 6 {JOB}"}).prompt


def test_a_prompt_drawn_by_chance_is_not_guessed():
    comment = json.dumps({"prompt": "a ||red|blue|| fox", "uc": "x"})
    found = read_texts({"Software": "NovelAI", "Comment": comment})
    assert found.prompt is None and "template" in found.why


def test_words_that_take_turns_are_all_kept():
    assert plain_words("a <alternate:red,blue> fox") == "a red blue fox"
    assert plain_words("a <fromto[0.5]:red||blue> fox") == "a red blue fox"


@pytest.mark.parametrize(
    "made",
    [
        node(
            "JoinStringMulti",
            inputcount=2,
            string_1="a fox",
            string_2="a dog",
            delimiter=" ",
            return_list=True,
        ),
        node("Text Random Line", text="a fox\na dog", seed=1),
        node("Text Concatenate (JPS)", delimiter="comma", text1="a fox", text2="snow"),
        node("PrimitiveString", value="undefined"),
    ],
)
def test_a_node_of_several_texts_or_none_gives_no_prompt(made):
    assert why(graph(["20", 0], n20=made))


def test_a_delimiter_that_is_named_is_not_put_in_as_a_word():
    made = node("Text Concatenate (JPS)", delimiter="space", text1="a red", text2="fox")
    assert prompt(graph(["20", 0], n20=made)) == "a red fox"


@pytest.mark.parametrize(
    "text",
    [
        "一只可爱的猫坐在窗台上，阳光洒在它的毛皮上，背景是城市的天际线，油画风格",
        "1girl,blue_sky,red_apple,wooden_table,masterpiece",
    ],
)
def test_a_prompt_without_a_space_is_a_prompt(text):
    found = read_texts({"parameters": text})
    assert found and found.prompt == text


def test_words_of_which_only_question_marks_are_left_are_no_prompt(tmp_path):
    png(tmp_path / "a.png", parameters="??? ????" + FORM)
    (found,) = survey([str(tmp_path)])
    assert [(each.prompt, "lost" in each.why) for each in found.findings()] == [("", True)]
