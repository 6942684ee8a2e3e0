"""Anything else: no traceback, and never a prompt that is not the positive one."""

import json
import random
import string

import pytest
from comfy_graphs import NEGATIVE, bird_too, found, graph, node
from hypothesis import given, settings
from hypothesis import strategies as st

from rankkit.io.prompts.embedded import comfyui
from rankkit.io.prompts.embedded.source import read_texts
from rankkit.io.prompts.syntax import plain_words

MAKERS = [
    node("StringConcatenate", string_a="a red apple", string_b=["32", 0], delimiter=", "),
    node("Text Find and Replace", text=["32", 0], find="blue", replace="red"),
    node("ImpactSwitch", select=1, input1=["32", 0], input2=["7", 0]),
    node("ShowText|pysssss", text=["32", 0], text_0="old"),
    node("Text String", text=["32", 0], text_b="x"),
    node("SomeUnknownRelay", text=["32", 0]),
]


def mutated(rng):
    """A graph with things cut, crossed, renamed or broken."""
    nodes = json.loads(
        json.dumps(
            graph(n39=node("SaveImage", filename_prefix="birds/bird", images=["38", 0]), **bird_too())
            if rng.random() < 0.3
            else graph(["20", 0], n20=rng.choice(MAKERS), n32=node("PrimitiveString", value="a red apple"))
        )
    )
    for _ in range(rng.randint(1, 4)):
        key = rng.choice(list(nodes))
        inputs = (
            nodes[key]["inputs"]
            if isinstance(nodes[key], dict) and isinstance(nodes[key].get("inputs"), dict)
            else {}
        )
        change = rng.randrange(7)
        if change == 0:
            del nodes[key]
        elif change == 1 and inputs:
            del inputs[rng.choice(list(inputs))]
        elif change == 2 and inputs:
            inputs[rng.choice(list(inputs))] = rng.choice(
                [None, 3, [], ["3"], [key, 0], ["nowhere", 0], {"a": 1}, [[["x"]]], True]
            )
        elif change == 3:
            nodes[key] = rng.choice(
                [None, 3, "x", [], {"class_type": "X"}, {"inputs": {}}, {"class_type": 3, "inputs": []}]
            )
        elif change == 4 and isinstance(nodes[key], dict):
            nodes[key]["class_type"] = "".join(rng.choices(string.ascii_letters, k=5))
        elif change == 5 and inputs:
            inputs[rng.choice(list(inputs))] = [rng.choice(list(nodes)), rng.randint(0, 3)]
        if not nodes:
            break
    return nodes


def check_mutations(seeds):
    for seed in seeds:
        nodes = mutated(random.Random(seed))
        answer = comfyui.read({"prompt": json.dumps(nodes)}, "ComfyUI_1.png")
        assert answer is None or answer.prompt is not None or answer.why
        assert answer is None or answer.prompt is None or NEGATIVE not in answer.prompt or _crossed(nodes), (
            seed,
            answer,
        )


def _crossed(nodes):
    """Whether the mutation itself made the negative prompt the positive one: its encoder is linked to another
    input.
    """
    return any(
        isinstance(value, list) and value[:1] == ["7"] and name != "negative"
        for each in nodes.values()
        if isinstance(each, dict) and isinstance(each.get("inputs"), dict)
        for name, value in each["inputs"].items()
    )


def test_broken_graphs_end_in_a_prompt_or_a_reason():
    check_mutations(range(1500))


@pytest.mark.slow
def test_a_hundred_thousand_broken_graphs_end_in_a_prompt_or_a_reason():
    check_mutations(range(1500, 101_500))


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(
            [
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
        ),
        st.text(max_size=300),
    )
)
def test_any_texts_end_in_a_prompt_or_none(texts):
    answer = read_texts(texts)
    assert (
        answer is None
        or answer.prompt is None
        or any(answer.prompt[:20].split()[0] in text for text in texts.values())
        or not answer.prompt.split()
    )


@settings(max_examples=300)
@given(st.text(alphabet="abc ()[]{}<>:.,|0123\\\nBREAK", max_size=80))
def test_plain_words_of_anything_are_one_line_and_lose_no_letter_outside_of_tags(text):
    plain = plain_words(text)
    assert "\n" not in plain and len(plain) <= len(text)


def test_deeply_nested_graphs_are_no_prompt():
    assert comfyui.read({"prompt": '{"a":' * 50_000}) is None
    chain = {str(i): node("Reroute", **{"": [str(i + 1), 0]}) for i in range(20, 2000)}
    assert found(graph(["20", 0], **{f"n{key}": value for key, value in chain.items()})).prompt is None
