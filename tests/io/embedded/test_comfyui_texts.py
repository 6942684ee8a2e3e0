"""The text that reaches an encoder of a ComfyUI graph: followed where the inputs decide it, else absent."""

import pytest
from comfy_graphs import APPLE, NEGATIVE, encoder, graph, node, prompt, why

TEXTS = [
    (node("PrimitiveString", value="a red apple"), "a red apple"),
    (node("PrimitiveStringMultiline", value="a red apple"), "a red apple"),
    (node("StringConstantMultiline", string="a red apple", strip_newlines=True), "a red apple"),
    (node("Text _O", text="a red apple"), "a red apple"),
    (node("ttN text", text="a red apple"), "a red apple"),
    (node("CR Text", text="a red apple"), "a red apple"),
    (
        node("StringConcatenate", string_a="a red apple", string_b="on a table", delimiter=", "),
        ("a red apple, on a table"),
    ),
    (node("StringConcatenate", string_a="a red", string_b="apple", delimiter=" "), "a red apple"),
    (
        node(
            "Text Concatenate",
            text_a="a red apple",
            text_b="on a table",
            delimiter=", ",
            clean_whitespace="true",
        ),
        "a red apple, on a table",
    ),
    (
        node("JoinStringMulti", inputcount=2, string_1="a red apple", string_2="on a table", delimiter=" "),
        "a red apple on a table",
    ),
    (
        node("CR Text Concatenate", text1="a red apple", text2="on a table", separator=" "),
        ("a red apple on a table"),
    ),
    (
        node(
            "StringFunction|pysssss",
            action="append",
            tidy_tags="yes",
            text_a="a red apple",
            text_b="on a table",
            text_c="",
        ),
        "a red apple, on a table",
    ),
    (node("ShowText|pysssss", text=["32", 0], text_0="a text of the run before"), "a red apple"),
    (node("ShowText|pysssss", text=["32", 0], text2="a text of the run before"), "a red apple"),
    (
        node(
            "ImpactWildcardProcessor",
            wildcard_text=("a {red|blue} apple"),
            populated_text="a red apple",
            mode=True,
        ),
        "a red apple",
    ),
    (
        node("PromptStashSaver", use_input_text=False, prompt_text="a red apple", text=["30", 0]),
        "a red apple",
    ),
    (node("PromptStashSaver", use_input_text=True, prompt_text="an old text", text=["31", 0]), "a blue bird"),
    (node("Text Find and Replace", text="a blue apple", find="blue", replace="red"), "a red apple"),
    (node("StringReplace", string=["31", 0], find="blue bird", replace="red apple"), "a red apple"),
    (node("CR Text Input Switch", Input=2, text1="a blue bird", text2="a red apple"), "a red apple"),
    (node("ImpactSwitch", select=1, sel_mode=False, input1=["32", 0], input2=["31", 0]), "a red apple"),
    (node("Switch any [Crystools]", on_true=["32", 0], on_false=["31", 0], boolean=True), "a red apple"),
    (node("Switch any [Crystools]", on_true=["31", 0], on_false=["32", 0], boolean=False), "a red apple"),
    (node("ComfySwitchNode", switch=False, on_true=["31", 0], on_false=["32", 0]), "a red apple"),
    (node("Reroute", **{"": ["32", 0]}), "a red apple"),
    (node("SomeUnknownRelay", text=["32", 0], seed=3), "a red apple"),
    (node("Any Switch (rgthree)", any_01=["32", 0], any_02=["31", 0]), "a red apple"),
    (node("ComfySwitchNode", switch=["33", 0], on_true=["32", 0], on_false=["30", 0]), "a red apple"),
    (node("StringTrim", string="  a red apple ", mode="Both"), "a red apple"),
    (node("StringSubstring", string="a red apple, ugly", start=0, end=11), "a red apple"),
    (node("CaseConverter", string="A RED APPLE", mode="lowercase"), "a red apple"),
    (node("StringFormat", f_string="a red {a}", **{"values.a": "apple"}), "a red apple"),
    (
        node("StringFunction|pysssss", action="append", tidy_tags="no", text_a="a red ", text_b="apple"),
        "a red apple",
    ),
    (
        node(
            "StringFunction|pysssss", action="append", tidy_tags="yes", text_a=["32", 0], text_b="undefined"
        ),
        "a red apple",
    ),
    (
        node(
            "StringFunction|pysssss",
            action="replace",
            tidy_tags="yes",
            text_a="a cat",
            text_b="cat",
            text_c="red apple",
        ),
        "a red apple",
    ),
    (node("Text Multiline", text="a red apple\n# a note to myself"), "a red apple"),
    (node("JWStringConcat", a="a red ", b="apple"), "a red apple"),
    (node("CR Combine Prompt", part1="a red", part2="apple", part3="", separator=" "), "a red apple"),
    (node("ttN concat", text1="a red", text2="apple", text3="", delimiter=" "), "a red apple"),
    (node("CustomCombo", choice="a red apple", index=0, option1="a red apple", option2="x"), "a red apple"),
    (node("DPRandomGenerator", text="a red apple", seed=1), "a red apple"),
    (node("SDXLPromptStyler", text_positive="a red apple", text_negative="x", style="base"), "a red apple"),
]


@pytest.mark.parametrize(("maker", "text"), TEXTS, ids=[maker["class_type"] for maker, _ in TEXTS])
def test_text_nodes_are_followed_where_their_inputs_decide_the_result(maker, text):
    others = {
        "n30": node("PrimitiveString", value=NEGATIVE),
        "n31": node("PrimitiveString", value="a blue bird"),
        "n32": node("PrimitiveString", value="a red apple"),
        "n33": node("PrimitiveBoolean", value=True),
    }
    assert prompt(graph(["20", 0], n20=maker, **others)) == text


LOST = [
    (node("DPRandomGenerator", text=("a {red|green|blue} apple"), seed=3), "node 20"),
    (node("DPCombinatorialGenerator", text=("a __color__ apple")), "node 20"),
    (node("PrimitiveString", value=("a {red|blue} apple")), "template"),
    (node("WildcardManager", text="an apple of __color__"), "node 20"),
    (node("OllamaGenerate", prompt=("describe an apple"), model="x"), "node 20"),
    (node("LLM_prompt_generator", text=("write about apples")), "node 20"),
    (node("Florence2Run", text_input="", task="caption"), "node 20"),
    (node("WD14Tagger|pysssss", image=["40", 0]), "node 20"),
    (node("UnknownMixer", text="a red apple", prompt="a blue bird"), "node 20"),
    (node("UnknownThing", number=3), "node 20"),
    (node("ImpactSwitch", select=["33", 0], input1=["30", 0], input2=["31", 0]), "node 20"),
    (node("RegexReplace", text="x", find="a.", replace="b"), "node 20"),
    (
        node("RegexExtract", string="keep: an apple", regex_pattern="keep: (.*)", mode="First Group"),
        "node 20",
    ),
    (node("JsonExtractString", json_string='{"p": "an apple"}', key="p"), "node 20"),
    (node("StringFormat", f_string="a {a:>5}", **{"values.a": "x"}), "node 20"),
    (node("StringSubstring", string="a red apple", start=["31", 0], end=3), "node 20"),
    (node("TextGenerate", clip=["4", 1], prompt="describe an apple", max_length=512), "node 20"),
    (node("MyPromptHelper", text="an apple", system_prompt="you are a poet"), "node 20"),
    (node("DeepThing", prompt="describe an apple", max_tokens=99, temperature=0.7), "node 20"),
    (node("SomeDescriber", image=["40", 0], prompt="describe this"), "node 20"),
    (node("SDXLPromptStyler", text_positive="an apple", text_negative="x", style="cinematic"), "node 20"),
    (node("easy stylesSelector", positive="an apple", negative="x", select_styles="cinematic"), "node 20"),
    (node("easy promptLine", prompt="a red apple\na blue bird", start_index=0), "node 20"),
    (node("PrimitiveString", value="['a red apple', 'a blue bird']"), "list"),
    (node("SomeRelay", text="an apple", prefix="masterpiece"), "prefix"),
    (node("ShowText|pysssss", text=["41", 0], text_0="a text of the run before"), "node 41"),
    (
        node(
            "StringFunction|pysssss", action="replace", tidy_tags="yes", text_a="a", text_b="/a/", text_c="b"
        ),
        "node 20",
    ),
    (node("Reroute", **{"": ["20", 0]}), "circle"),
    (node("Reroute", **{"": ["99", 0]}), "99"),
]


@pytest.mark.parametrize(("maker", "says"), LOST, ids=[maker["class_type"] for maker, _ in LOST])
def test_where_the_text_cannot_be_told_there_is_no_prompt_and_the_reason_names_the_node(maker, says):
    others = {
        "n30": node("PrimitiveString", value=NEGATIVE),
        "n31": node("PrimitiveString", value="a blue bird"),
        "n41": node("OllamaGenerate", prompt="describe an apple"),
    }
    assert says in why(graph(["20", 0], n20=maker, **others))


BY_OUTPUT = [
    (node("Text String", text="a cat", text_b=APPLE, text_c="", text_d=""), 1, APPLE),
    (node("Text String", text="", text_b=NEGATIVE, text_c="", text_d=""), 0, ""),
    (node("Power Prompt (rgthree)", prompt=APPLE, insert_lora="CHOOSE"), 3, APPLE),
    (node("SDXL Power Prompt - Positive (rgthree)", prompt_g=APPLE, prompt_l="oil"), 3, APPLE),
    (node("Prompt (LoraManager)", text=APPLE, clip=["4", 1]), 1, APPLE),
    (node("ttN text3BOX_3WAYconcat", text1="a cat", text2=APPLE, text3="", delimiter=","), 1, APPLE),
    (node("ttN text7BOX_concat", text1="a red", text2="apple", text3="", delimiter=" "), 7, APPLE),
]


@pytest.mark.parametrize(("maker", "slot", "text"), BY_OUTPUT)
def test_the_output_slot_tells_which_of_its_texts_a_node_gives(maker, slot, text):
    assert prompt(graph(["20", slot], n20=maker)) == text


def test_the_negative_text_of_a_styler_is_no_prompt():
    styler = node("SDXLPromptStyler", text_positive=APPLE, text_negative=NEGATIVE, style="base")
    assert "node 20" in why(graph(["20", 1], n20=styler))


def test_what_a_model_wrote_is_known_where_the_canvas_shows_it():
    nodes = graph(
        ["20", 0],
        n20=node("ShowText|pysssss", text=["41", 0], text_0="a text of the run before"),
        n41=node("OllamaGenerate", prompt="describe an apple"),
    )
    shown = {"id": 20, "type": "ShowText|pysssss", "widgets_values": [[APPLE]]}
    assert prompt(nodes, canvas={"nodes": [shown]}) == APPLE
    several = {**shown, "widgets_values": [[APPLE, "a blue bird"]]}
    assert "node 41" in why(nodes, canvas={"nodes": [several]}), "of several texts one made this image"
    assert "node 41" in why(nodes, canvas={"nodes": [{"id": 20, "widgets_values": {"a": 1}}, None, 3]})


def test_a_node_that_makes_much_of_little_ends_in_a_reason():
    long = {"n30": node("PrimitiveString", value="a" * 90_000)}
    makers = [
        node("JoinStrings", delimiter=",", **{f"string{i}": ["30", 0] for i in range(20_000)}),
        node("StringReplace", string=["30", 0], find="a", replace=["30", 0]),
        node("StringFormat", f_string="{a}" * 20_000, **{"values.a": ["30", 0]}),
    ]
    for maker in makers:
        assert "longer" in why(graph(["20", 0], n20=maker, **long))
    several = {f"n{i}": node("StringTrim", string=["30", 0]) for i in range(100, 200)}
    joined = {f"n{i + 200}": encoder([str(i), 0]) for i in range(100, 200)}
    combined = node(
        "ConditioningCombine", **{f"conditioning_{i}": [str(i + 200), 0] for i in range(100, 200)}
    )
    assert "longer" in why(graph(sampler={"positive": ["20", 0]}, n20=combined, **several, **joined, **long))
    assert "node 6" in why(graph(n6=node("conditioning" * 20_000, text="x")))


def test_texts_that_double_at_every_node_end_in_a_reason():
    for kind, names in (("JoinStrings", ("string1", "string2")), ("StringReplace", ("string", "replace"))):
        chain = {
            f"n{i}": node(kind, find="a", delimiter="", **{name: [str(i + 1), 0] for name in names})
            for i in range(100, 200)
        }
        assert "longer" in why(graph(["100", 0], n200=node("PrimitiveString", value="aa"), **chain))
