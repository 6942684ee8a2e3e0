"""Words that programs write where nobody filled a prompt in are none, wherever they stand."""

import json

import pytest
from comfy_graphs import graph, why
from marked_images import SETTINGS

from rankkit.io.prompts.embedded.source import read_texts
from rankkit.io.prompts.reading.texts import answer_in, answer_in_text

WORDS = ["undefined", "Unknown", "null", "None", "NaN", "none.", "undefined, ,"]
PLACES = {
    "A1111": lambda word: {"parameters": f"{word}\nNegative prompt: x\n{SETTINGS}"},
    "A1111, alone": lambda word: {"parameters": word},
    "a chunk": lambda word: {"prompt": f"Positive prompt: {word}"},
    "SwarmUI": lambda word: {"parameters": json.dumps({"sui_image_params": {"prompt": word}})},
    "Fooocus": lambda word: {"parameters": json.dumps({"prompt": word, "base_model": "x"})},
    "InvokeAI": lambda word: {"invokeai_metadata": json.dumps({"positive_prompt": word})},
    "NovelAI": lambda word: {"Comment": json.dumps({"prompt": word, "uc": ""})},
    "Draw Things": lambda word: {"UserComment": json.dumps({"c": word, "uc": ""})},
    "Easy Diffusion": lambda word: {"prompt": word, "sampler_name": "x"},
    "Midjourney": lambda word: {"Description": f"{word} --v 6 Job ID: 01234567-89ab"},
}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("place", PLACES)
def test_a_program_that_wrote_an_unfilled_word_told_no_prompt(place, word):
    found = read_texts(PLACES[place](word))
    assert found is None or found.prompt is None


@pytest.mark.parametrize("word", WORDS)
def test_a_graph_a_cell_and_a_text_file_of_an_unfilled_word_tell_no_prompt(word):
    assert word[:4] in why(graph(word))
    assert not answer_in(word).texts and not answer_in_text(word, "a.txt").texts


@pytest.mark.parametrize("cell", ["n/a", "<NA>", "#N/A", "\\N", "--"])
def test_what_a_table_alone_writes_for_an_empty_cell_is_words_in_a_program(cell):
    assert not answer_in(cell).texts
    assert read_texts({"sd-metadata": json.dumps({"image": {"prompt": cell}})}).prompt == cell


def test_a_prompt_that_begins_with_such_a_word_is_one():
    for words in ("unknown soldier", "None of us, a painting", "null island"):
        assert read_texts({"parameters": f"{words}\n{SETTINGS}"}).prompt == words
        assert answer_in(words).texts == (words,)
