"""Graphs of extensions of ComfyUI as people save them: read as a node's source has it, or not at all."""

import pytest
from comfy_graphs import APPLE, encoder, graph, node, prompt, why

JOINED = [
    ("a red apple", "JWStringConcat", {"a": "a red ", "b": "apple"}, "comfyui-various"),
    ("a red apple", "ConcatStringSingle", {"string_a": "a red ", "string_b": "apple"}, "FizzNodes"),
    ("a red apple, snow", "LayerUtility: TextJoin", {"text_1": APPLE, "text_2": "snow"}, "LayerStyle"),
    ("a red apple, snow", "PromptComposerMerge", {"text_a": APPLE, "text_b": "snow"}, "prompt-composer"),
]


@pytest.mark.parametrize(("text", "kind", "inputs", "of"), JOINED)
def test_nodes_that_join_without_an_input_for_it_put_in_what_their_source_does(text, kind, inputs, of):
    assert prompt(graph(["20", 0], n20=node(kind, **inputs))) == text


LOST = {
    "it joins by what nobody knows": node("SomeTextMerge", text_a="a fox", text_b="snow"),
    "KJNodes: a list of texts": node("AppendStringsToList", string1="a fox", string2="a dog"),
    "Comfyroll: a line for each frame": node("CR Text Cycler", text="a fox\na dog", current_frame=0),
    "Comfyroll: reversed, or without blanks": node("CR Text Operation", text="a fox", operation="reverse"),
    "OneButtonPrompt: a model's words": node("OneButtonFlufferize", prompt="a fox", amount_of_flufferize=0.7),
    "Fooocus' expansion of a prompt": node("PromptExpansion", text="a fox", seed=3, log_prompt="No"),
    "rgthree: code": node("Power Puter (rgthree)", code="a[::-1]", a="a fox"),
}


@pytest.mark.parametrize("name", LOST)
def test_a_node_that_makes_another_text_of_its_own_gives_none(name):
    assert "node 20" in why(graph(["20", 0], n20=LOST[name]))


def test_a_prompt_from_which_another_is_taken_away_is_none():
    taken = node("ConditioningSubtract", conditioning_1=["6", 0], conditioning_2=["21", 0])
    assert "takes" in why(graph(sampler={"positive": ["20", 0]}, n20=taken, n21=encoder("a dog")))


def test_a_style_that_a_node_adds_to_the_conditioning_gives_none():
    def styled(style):
        kept = {"positive_cond_base": ["6", 0], "negative_cond_base": ["7", 0], "base_clip": ["4", 1]}
        return graph(
            sampler={"positive": ["20", 0]}, n20=node("Style Conditioner Base Only", style=style, **kept)
        )

    assert "style" in why(styled("anime")) and prompt(styled("none")) == APPLE


def test_a_text_that_wildcards_in_sharp_and_square_brackets_draw_from_gives_none():
    assert "a template" in why(graph("a <[Hair]> girl"))


PLOTS = {
    "Efficiency": node("XY Input: Prompt S/R", target_prompt="positive", search_txt="red", replace_1="blue"),
    "easy-use, an axis": node("easy XYPlot", x_axis="advanced: Positive Prompt S/R", pipe=["4", 0]),
    "easy-use": node("easy XYInputs: PromptSR", target_prompt="positive", search_text="red"),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_over_prompts_has_none(name):
    assert "plot" in why(graph(n20=PLOTS[name]))
    assert prompt(graph(n20=node("XY Input: Steps", first_step=10))) == APPLE


PARTS = {
    "a line by its number": node("Load Text Line", text="a fox\na dog\na cat", index=1),
    "the same under another name": node("PromptPicker", text="a fox\na dog", row=1),
    "a choice by weights": node("WeightedChoice", text="fox::2\ndog::1", seed=1),
    "an input put into the text": node("PromptBuilder", text="a {subject} in snow", subject="fox"),
    "the same with a percent sign": node("PromptBuilder", text="a %subject fox", subject="red"),
    "letters from behind": node("TextReverse", text="xof a"),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_node_that_gives_a_part_of_its_text_or_fills_it_gives_none(name):
    assert "node 20" in why(graph(["20", 0], n20=PARTS[name]))
    several = node("PrimitiveStringMultiline", value="a fox,\nin snow")
    assert prompt(graph(["20", 0], n20=several)) == "a fox,\nin snow"


@pytest.mark.parametrize("negative", ["negative", "negative_prompt", "text_neg"])
def test_a_later_output_of_a_node_that_holds_both_prompts_may_be_the_negative_one(negative):
    both = node("PromptBox", **{"prompt": APPLE, negative: "blurry"})
    assert "negative" in why(graph(["20", 1], n20=both))
    assert prompt(graph(["20", 0], n20=both)) == APPLE


ENCODERS = {
    "AlekPet's": node("GoogleTranslateCLIPTextEncodeNode", to_translate="en", text="лиса", clip=["4", 1]),
    "enhanced": node("PromptEnhanceEncode", text="a fox", clip=["4", 1]),
    "with a style": node("CLIPTextEncodeWithStyle", text="a fox", style="cinematic", clip=["4", 1]),
    "with a prefix": node("PrefixCLIPTextEncode", text="a fox", prefix="masterpiece", clip=["4", 1]),
    "with toggles": node("PonyCLIPTextEncode", text="a fox", add_score=True, clip=["4", 1]),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_that_makes_another_text_of_its_own_gives_none(name):
    assert "node 6" in why(graph(n6=ENCODERS[name]))


def test_an_encoder_whose_additions_are_off_gives_its_text():
    plain = node("PonyCLIPTextEncode", text=APPLE, add_score=False, style="none", prefix="", clip=["4", 1])
    assert prompt(graph(n6=plain)) == APPLE
