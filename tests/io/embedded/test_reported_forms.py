"""What people reported of programs' own texts: read as they were meant, or not at all."""

import json

import pytest
from marked_images import SETTINGS

from rankkit.io.prompts.embedded.source import read_texts
from rankkit.io.prompts.syntax import plain_words

TEMPLATES = [
    "a {red|green} apple",
    "a __colour__ apple",
    "an apple, {2$$red|green|ripe}",
    "photo of {prompt}",
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_where_the_prompt_should_stand_is_none(template):
    """reForge and the grids of A1111 wrote what Dynamic Prompts was given in place of what it made of it."""
    found = read_texts({"parameters": f"{template}\nNegative prompt: x\n{SETTINGS}"})
    assert found.prompt is None and "template" in found.why


def test_a_template_among_the_settings_or_in_the_negative_prompt_is_of_no_consequence():
    text = f"a fox\nNegative prompt: {TEMPLATES[0]}\n{SETTINGS}, Template: {TEMPLATES[0]}"
    assert read_texts({"parameters": text}).prompt == "a fox"


@pytest.mark.parametrize(
    ("written", "prompt"),
    [
        ("Prompt: Prompt: a fox", "a fox"),
        ("positive prompt: Prompt: a fox", "a fox"),
        ("a fox\n# not a dog\nin snow", "a fox\nin snow"),
        ("# what I tried\na fox", "a fox"),
        ("a #1 dad", "a #1 dad"),
    ],
)
def test_labels_and_comments_are_no_part_of_a_prompt(written, prompt):
    """SD.Next put its label before the prompt again each time; A1111 keeps comments where it is told to."""
    assert read_texts({"parameters": f"{written}\nNegative prompt: x\n{SETTINGS}"}).prompt == prompt


def test_the_negative_half_of_a_prompt_of_the_horde_is_no_prompt():
    assert read_texts({"parameters": "a fox ### blurry"}) is None


def test_a_tag_that_an_extension_of_swarmui_fills_in_leaves_no_prompt_where_it_is_left():
    found = read_texts({"parameters": json.dumps({"sui_image_params": {"prompt": "<mpprompt:a fox>"}})})
    assert found.prompt is None and "template" in found.why


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("[Women:9999]RAW photo", "Women RAW photo"),
        ("photo[of a fox:8]", "photo of a fox"),
        ("a [red:green:0.5]ish fox", "a red green ish fox"),
        ("a fox,\n,\n, in snow, ,", "a fox, in snow,"),
    ],
)
def test_words_beside_syntax_stay_words_of_their_own(written, words):
    assert plain_words(written) == words
