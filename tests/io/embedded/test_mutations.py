"""Files that are changed or broken: never a traceback, and never a prompt that is not the positive one.

Every part of the examples that is no positive prompt bears a mark, which no prompt may show. A few thousand
inputs each; a hundred thousand with ``-m slow``.
"""

import copy
import json
import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_places import chosen_place
from marked_texts import A1111, GRAPHS, JSON_TEXTS, MARKS, PLAIN_TEXTS, POSITIVE, as_texts

from rankkit.io.prompts.embedded.source import read_texts
from rankkit.io.prompts.syntax import plain_words

FEW, MANY = range(2_000), range(2_000, 102_000)
sizes = pytest.mark.parametrize(
    "seeds", [FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"]
)


def test_every_example_is_read_as_its_positive_prompt():
    for name, fields in JSON_TEXTS:
        assert read_texts(as_texts(name, fields), "ComfyUI_00001_.png").prompt == POSITIVE, fields
    for texts in PLAIN_TEXTS:
        assert read_texts(texts).prompt == POSITIVE, texts


# --- what leaves the positive prompt as it is ---


def words(rng):
    letters = [*string.ascii_letters, *" ,.:;()[]{}<>|\\\"'\n-—_#@é猫😀"]
    return "NEGATIVE " + "".join(rng.choices(letters, k=rng.randint(0, 30)))


def kept(rng, nodes):
    """A graph with other numbers, another negative prompt, stray nodes, another order, other node numbers."""
    nodes = copy.deepcopy(nodes)
    for each in nodes.values():
        for name, value in each["inputs"].items():
            if value == "NEGATIVE":
                each["inputs"][name] = words(rng).replace("{", "").replace("__", "")
            elif isinstance(value, (int, float)) and name not in ("select", "use_input_text"):
                each["inputs"][name] = rng.choice([0, 1, 7.5, 10**18, float("nan")])
    for i in range(rng.randint(0, 5)):
        stray = rng.choice(["CLIPTextEncode", "Note", "PrimitiveString", "OllamaGenerate", "KSamplerSelect"])
        nodes[f"9{i}0"] = {"class_type": stray, "inputs": {"text": words(rng), "value": words(rng)}}
    order = [*nodes]
    rng.shuffle(order)
    number = {key: rng.choice([key, f"57:{key}", f"1:2:{key}"]) for key in order}

    def renumbered(value):
        link = isinstance(value, list) and len(value) == 2 and value[0] in number
        return [number[value[0]], value[1]] if link else value

    return {
        number[key]: {
            "class_type": nodes[key]["class_type"],
            "inputs": {name: renumbered(value) for name, value in nodes[key]["inputs"].items()},
            "_meta": {"title": words(rng)},
        }
        for key in order
    }


@sizes
def test_what_does_not_touch_the_positive_prompt_does_not_change_it(seeds):
    for seed in seeds:
        rng = random.Random(seed)
        nodes = kept(rng, rng.choice(GRAPHS))
        more = {words(rng)[:20]: words(rng), "Comment": words(rng), "date:create": "2026-11-29"}
        found = read_texts({**more, "prompt": json.dumps(nodes)}, "ComfyUI_00001_.png")
        assert found.prompt == POSITIVE, (seed, found)


@sizes
def test_whatever_the_negative_prompt_and_the_settings_say_the_positive_one_is_the_same(seeds):
    for seed in seeds:
        rng = random.Random(seed)
        negative = words(rng).replace("\n", " ")
        text = A1111.replace("NEGATIVE, blurry", negative) + f", Detail prompt: {json.dumps(words(rng))}"
        assert read_texts({"parameters": text}).prompt == POSITIVE, (seed, text)
        assert read_texts({"UserComment": text.replace("\n", rng.choice("\n. "))}).prompt == POSITIVE, (
            seed,
            text,
        )


# --- what breaks a file ---

RUBBISH = [
    None,
    3,
    -1,
    True,
    1e400,
    "",
    [],
    {},
    ["3"],
    ["3", 0],
    ["nowhere", 0],
    ["6", "0"],
    [[["x"]]],
    {"a": {"a": 1}},
]


def broken(rng, fields):
    """Fields with things deleted, put in each other, or of another type; no link leads elsewhere."""
    fields = copy.deepcopy(fields)
    for _ in range(rng.randint(1, 4)):
        place = chosen_place(rng, fields)
        if place is None:
            break
        _, holder, last = place
        change = rng.randrange(4)
        if change == 0:
            del holder[last]
        elif change == 1:
            holder[last] = copy.deepcopy(rng.choice(RUBBISH))
        elif change == 2:
            holder[last] = {"prompt": holder[last]} if rng.random() < 0.5 else [holder[last]]
        elif last == "class_type":
            holder[last] = "".join(rng.choices(string.ascii_letters, k=6))
    return fields


@sizes
def test_a_broken_file_ends_in_a_prompt_without_a_mark_or_in_none(seeds):
    for seed in seeds:
        rng = random.Random(seed)
        name, fields = rng.choice(JSON_TEXTS)
        found = read_texts(as_texts(name, broken(rng, fields)), "ComfyUI_00001_.png")
        if found is not None and found.prompt is not None:
            assert not any(mark in found.prompt for mark in MARKS), (seed, found)
        else:
            assert found is None or found.why


@sizes
def test_texts_cut_and_turned_over_raise_nothing(seeds):
    whole = [*PLAIN_TEXTS, *(as_texts(name, fields) for name, fields in JSON_TEXTS)]
    for seed in seeds:
        rng = random.Random(seed)
        texts = dict(rng.choice(whole))
        for name, text in texts.items():
            start, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
            texts[name] = rng.choice(
                [text[:start] + text[end:], text[:start] + text[start:end] * 2, text[end:], text[::-1]]
            )
        found = read_texts(texts, rng.choice(["", "ComfyUI_00001_.png", "ComfyUI_temp_abcde_1_.png"]))
        assert found is None or found.prompt is not None or found.why
        assert found is None or isinstance(plain_words(found.prompt or ""), str)


# --- anything at all ---

NAMES = [
    "prompt",
    "parameters",
    "UserComment",
    "Comment",
    "Description",
    "sd-metadata",
    "Dream",
    "xmp",
    "workflow",
]
KEYS = [
    "prompt",
    "c",
    "uc",
    "image",
    "inputs",
    "class_type",
    "positive",
    "1",
    "sui_image_params",
    "v4_prompt",
    "caption",
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.sampled_from(["KSampler", "SaveImage", "1", ""])
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES.map(json.dumps), max_size=3))
def test_any_json_ends_in_a_prompt_or_a_reason(texts):
    found = read_texts(texts)
    assert found is None or isinstance(found.prompt, str) or found.why


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=300)))
def test_any_texts_end_in_a_prompt_that_stands_in_them_or_in_none(texts):
    found = read_texts(texts)
    if found is not None and found.prompt and found.prompt.split():
        assert any(found.prompt[:20].split()[0] in text for text in texts.values())


@settings(max_examples=300)
@given(st.text(alphabet="abc ()[]{}<>:.,|0123\\\nBREAK AND+-", max_size=80))
def test_plain_words_of_anything_are_one_line_and_no_longer(text):
    plain = plain_words(text)
    assert "\n" not in plain and len(plain) <= len(text)


def test_deeply_nested_texts_and_long_chains_end_in_a_reason():
    for opened in ('{"a":', "[", '{"prompt":', '{"1":{"inputs":'):
        for name in NAMES:
            found = read_texts({name: opened * 100_000})
            assert found is None or found.prompt is None
    chain = {str(i): {"class_type": "Reroute", "inputs": {"": [str(i + 1), 0]}} for i in range(100, 5000)}
    for way in (["6", "text"], ["3", "positive"], ["3", "latent_image"], ["9", "images"]):
        nodes = copy.deepcopy(GRAPHS[0]) | chain
        nodes[way[0]]["inputs"][way[1]] = ["100", 0]
        assert read_texts({"prompt": json.dumps(nodes)}).prompt is None or way[1] == "latent_image"
