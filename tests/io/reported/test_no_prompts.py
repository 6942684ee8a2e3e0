"""What models, programs and people write where a prompt should stand: none, or one without its label."""

import json

import pytest
from prompt_files import look, prompts, put, why

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that.",
        "I’m sorry, I cannot help with this request.",
        "I am unable to describe people in images.",
        "Sorry, I can't see the image.",
        "Unfortunately, I cannot generate this.",
        "As an AI language model, I have no images.",
        "Sure! Here is the caption you asked for:\n\na fox in snow",
        "Here's a detailed prompt for the image: a fox",
        "Certainly, this is a description:\na fox",
        "Error code: 429 - {'error': {'message': 'Rate limit reached'}}",
        'Traceback (most recent call last):\n  File "x.py"\nValueError: a fox',
        "prompt: a fox, seed: 1, steps: 20",
        "Prompt: a fox; Negative prompt: blurry",
        "a red fox ### blurry, ugly",
        "a red fox###blurry",
        "<MORE_DETAILED_CAPTION>",
        "<CAPTION_TO_PHRASE_GROUNDING>",
        "Analyze this image and write a training caption.",
        "Describe in detail what you see.",
        "You are an image captioning assistant. Output one sentence.",
        "Tell me what is in the picture.",
        "a <[Hair]> girl",
    ],
)
def test_what_was_written_instead_of_a_prompt_or_around_it_is_none(text):
    put({"d/a.png": None, "d/a.txt": text, "d/b.png": None})
    put({"d/metadata.jsonl": json.dumps({"file_name": "b.png", "text": text})})
    assert prompts() == {"b.png": "", "a.png": ""} and all(why().values())


@pytest.mark.parametrize(
    "text",
    [
        "sorry, a sad fox says",
        "I'm sorry said the fox",
        "here is a fox: red",
        "a fox who can't help it",
        "error 404 as neon sign",
        "a sure thing, the prompt fox: red",
        "you are my sunshine, neon sign",
        "a fox who will describe what is in the picture",
    ],
)
def test_prompts_with_such_words_are_prompts(text):
    put({"d/a.png": None, "d/a.txt": text})
    assert prompts() == {"a.png": text}


@pytest.mark.parametrize(
    "text", ["Prompt: a fox, red", "prompt = a fox, red", "Positive prompt: a fox, red\n"]
)
def test_a_label_before_a_prompt_is_no_part_of_it(text):
    put({"d/a.png": None, "d/a.txt": text, "d/b.png": None})
    put({"d/metadata.jsonl": json.dumps({"file_name": "b.png", "prompt": text})})
    assert prompts() == {"b.png": "a fox, red", "a.png": "a fox, red"}


def test_lines_of_json_beside_an_image_are_read_line_by_line():
    put({"d/a.png": None, "d/a.txt": '{"caption": "a fox"}\n{"caption": "a red fox"}\n'})
    (item,) = look().items()
    assert (item.prompt, item.captions) == ("a fox", 2)
    put({"d/a.txt": '{"seed": 1}\n{"seed": 2}\n'})
    assert prompts() == {"a.png": ""} and "is an object, not text" in why()["a.png"]


def test_of_several_captions_those_that_are_none_do_not_count():
    put({"d/a.png": None, "d/a.txt": "a fox\nhttps://example.org/a\nI'm sorry, but I can't help.\nnan\n"})
    (item,) = look().items()
    assert (item.prompt, item.captions) == ("a fox", 1)
