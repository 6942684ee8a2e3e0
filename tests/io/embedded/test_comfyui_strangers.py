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
    "rgthree: code": node("Power Puter (rgthree)", code="a[::-1]", a="a fox"),
}


@pytest.mark.parametrize("name", LOST)
def test_a_node_that_makes_another_text_of_its_own_gives_none(name):
    assert "node 20" in why(graph(["20", 0], n20=LOST[name]))


def test_a_prompt_from_which_another_is_taken_away_is_none():
    taken = node("ConditioningSubtract", conditioning_1=["6", 0], conditioning_2=["21", 0])
    assert "takes" in why(graph(sampler={"positive": ["20", 0]}, n20=taken, n21=encoder("a dog")))


PLOTS = {
    "Efficiency": node("XY Input: Prompt S/R", target_prompt="positive", search_txt="red", replace_1="blue"),
    "easy-use, an axis": node("easy XYPlot", x_axis="advanced: Positive Prompt S/R", pipe=["4", 0]),
    "easy-use": node("easy XYInputs: PromptSR", target_prompt="positive", search_text="red"),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_over_prompts_has_none(name):
    assert "plot" in why(graph(n20=PLOTS[name]))
    assert prompt(graph(n20=node("XY Input: Steps", first_step=10))) == APPLE
