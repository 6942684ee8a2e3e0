"""Text nodes of ComfyUI whose other inputs decide what they give: followed, or no prompt and the node named.

What is right was found by running the nodes' own code beside the reader.
"""

import pytest
from comfy_graphs import APPLE, encoder, graph, node, prompt, why

LOST = {
    "Comfyroll: a text by comparison": (
        "CR Set Value on String",
        {"text": "a fox", "test_string": "fox", "value_if_true": "a dog", "value_if_false": "a cat"},
    ),
    "LayerStyle: a case": (
        "LayerUtility: SwitchCase",
        {"switch_condition": "b", "case_1": "a", "input_1": ["31", 0], "input_default": ["30", 0]},
    ),
    "Comfyroll: letters taken out": (
        "CR Multiline Text",
        {"text": "a fox", "remove_chars": True, "chars_to_remove": "x", "split_string": False},
    ),
    "Mikey: a third text for both": (
        "Mikey Text2InputOr3rdOption",
        {"text_a": "a fox", "text_b": "", "text_c": "", "use_text_c_for_both": "true"},
    ),
    "Mikey: filled up": ("TextPadderMikey", {"text": "a fox", "length": 512, "technique": "repeat"}),
    "tinyterra: of a plot": ("ttN advPlot string", {"text": "a fox", "node": "x", "delimiter": "\\n"}),
    "Impact: a list of regions": (
        "WildcardPromptFromString",
        {"string": "a fox", "delimiter": " ", "postfix_all": "snow", "restrict_to_tags": ""},
    ),
    "Chibi: another text goes first": ("Textbox", {"text": "a fox", "passthrough": ["31", 0]}),
    "Dream: a part": ("String Tokenizer [Dream]", {"text": "a fox", "separator": " ", "selected": 1}),
    "JDCN: a part": ("JDCN_StringManipulator", {"text": "a fox", "index_change": "random"}),
    "Prompt Stash: its own text is not there": (
        "PromptStashPassthrough",
        {"use_input_text": False, "text": ["31", 0]},
    ),
    "essentials: a shape": ("DisplayAny", {"input": ["31", 0], "mode": "tensor shape"}),
    "WAS: something for nothing": ("Text Find and Replace", {"text": "fox", "find": "", "replace": "a"}),
    "capitals": ("Basic data handling: StringUpper", {"string": "a fox"}),
    "Griptape: a task of a model": ("Griptape Run: Prompt Task", {"STRING": "write about apples"}),
    "KJNodes: JSON of it": ("Ideogram4PromptBuilderKJ", {"elements": "[]", "prompt": "a fox"}),
    "JPS: a delimiter by its name": (
        "Text Concatenate (JPS)",
        {"text1": "a fox", "text2": "a dog", "delimiter": "Comma"},
    ),
    "KJNodes: a count of another node": (
        "JoinStringMulti",
        {"inputcount": ["31", 0], "string_1": "a fox", "string_2": "a dog", "delimiter": " "},
    ),
    "filled up to a width": ("Basic data handling: StringCenter", {"string": "a fox", "width": 20}),
    "letters at the ends": ("Basic data handling: StringStrip", {"string": "a fox", "chars": "ax"}),
}


@pytest.mark.parametrize("name", LOST)
def test_a_text_that_other_inputs_decide_is_not_taken_as_it_stands(name):
    kind, inputs = LOST[name]
    others = {f"n{i}": node("PrimitiveString", value=text) for i, text in ((30, "a dog"), (31, "a fox"))}
    assert "node 20" in why(graph(["20", 0], n20=node(kind, **inputs), **others))


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("CR Get Parameter From Prompt", {"prompt": APPLE, "search_string": "x"}),
        ("LayerUtility: StringCondition", {"text": APPLE, "condition": "include", "sub_string": "x"}),
        ("ImpactSwitch", {"select": 1, "sel_mode": False, "input1": ["30", 0]}),
        ("SomeRelay", {"text": APPLE}),
    ],
)
def test_a_later_output_of_a_text_node_is_not_its_text(kind, inputs):
    text = node("PrimitiveString", value=APPLE)
    assert "output 1 of node 20" in why(graph(["20", 1], n20=node(kind, **inputs), n30=text))


PLAIN = [
    node("Textbox", text=APPLE),
    node("SomeRelay", text=APPLE, seed=["40", 0], width=["40", 0]),
    node("CR Multiline Text", text=APPLE, remove_chars=False, split_string=False, chars_to_remove="x"),
    node("Text Find and Replace", text=APPLE, find="", replace=""),
    node("DisplayAny", input=["30", 0], mode="raw value"),
    node("Griptape Display: Text", INPUT=["30", 0], STRING="the text of the run before"),
    node("StringConstantMultiline", string="a red\n apple", strip_newlines=True),
    node("JoinStringMulti", inputcount=2, string_1="a red", string_2="apple", string_3="old", delimiter=" "),
    node("StringConcatenate", string_a="a red ", string_b="apple"),
    node("Text Concatenate (JPS)", text1="a red", text2="apple", delimiter="Space"),
    node("StringConstantMultiline", string="a red\napple", strip_newlines=False),
]


@pytest.mark.parametrize("maker", PLAIN, ids=lambda maker: maker["class_type"])
def test_inputs_that_decide_nothing_leave_the_text(maker):
    others = {"n30": node("PrimitiveString", value=APPLE), "n40": node("PrimitiveInt", value=7)}
    assert " ".join(prompt(graph(["20", 0], n20=maker, **others)).split()) == APPLE


def test_lines_run_together_where_a_node_takes_the_line_breaks_out():
    maker = node("StringConstantMultiline", string="a fox\nin snow", strip_newlines=True)
    assert prompt(graph(["20", 0], n20=maker)) == "a foxin snow"


def test_an_encoder_of_two_kinds_reads_the_texts_of_the_one_that_is_on():
    texts = {"text": APPLE, "text_g": "a dog", "text_l": "a cat", "clip": ["4", 1]}
    assert prompt(graph(n6=node("smZ CLIPTextEncode", with_SDXL=False, **texts))) == APPLE
    assert prompt(graph(n6=node("smZ CLIPTextEncode", with_SDXL=True, **texts))) == "a dog, a cat"


def test_an_option_that_is_called_after_a_side_is_no_prompt_of_it():
    both = {"positive_prompt": APPLE, "negative_prompt": "x", "option_positive_t5xxl": "Unmodified"}
    maker = node("SD3TextConditioningWithOptionsOnePrompt", clip=["4", 1], **both)
    assert prompt(graph(n6=maker)) == APPLE


def test_an_encoder_that_fills_a_word_of_its_text_gives_none():
    maker = node("Wildcards", textfile="animals.txt", keyword="fox", text="a fox", clip=["4", 1])
    assert "node 6" in why(graph(n6=maker))


def test_what_the_canvas_shows_of_a_run_before_is_no_prompt():
    """A node that shows a text writes a list into the canvas while it runs; what the browser kept is flat."""
    nodes = graph(
        ["20", 0],
        n20=node("ShowText|pysssss", text=["41", 0]),
        n41=node("OllamaGenerate", prompt="describe an apple"),
    )
    for kept in ([APPLE], ["", APPLE], {"text_0": APPLE}):
        canvas = {"nodes": [{"id": 20, "type": "ShowText|pysssss", "widgets_values": kept}]}
        assert "node 41" in why(nodes, canvas=canvas)


def test_conditionings_behind_the_count_of_inputs_are_left_from_before():
    joined = node("ConditioningMultiCombine", inputcount=1, conditioning_1=["6", 0], conditioning_2=["21", 0])
    assert prompt(graph(sampler={"positive": ["20", 0]}, n20=joined, n21=encoder("a dog"))) == APPLE


def test_a_text_that_a_switch_of_a_conditioning_passes_on_is_the_one_it_names():
    switch = node("LayerUtility: SwitchCase", switch_condition="b", input_1=["6", 0], input_2=["21", 0])
    assert "node 20" in why(graph(sampler={"positive": ["20", 0]}, n20=switch, n21=encoder("a dog")))
