"""Nodes of ComfyUI whose outputs differ: the model before both sides, and outputs that are no text."""

import pytest
from comfy_graphs import APPLE, graph, node, prompt, why

BOTH = {"model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0]}
MODEL_FIRST = ["ApplyInstantID", "BrushNet", "PowerPaint", "HunyuanVideoEncodeKeyframesToCond", "SomeAdapter"]


def sampled(kind, model=("4", 0), positive=1, negative=2):
    sides = {"model": list(model), "positive": ["20", positive], "negative": ["20", negative]}
    return graph(sampler=sides, n20=node(kind, **BOTH))


@pytest.mark.parametrize("kind", MODEL_FIRST)
def test_a_node_that_passes_the_model_on_gives_it_before_both_sides(kind):
    assert prompt(sampled(kind, model=("20", 0))) == APPLE
    assert "node 20" in why(sampled(kind, model=("20", 0), positive=0)), "that is the model"


@pytest.mark.parametrize("kind", MODEL_FIRST[:-1])
def test_it_is_known_by_its_name_where_another_model_is_sampled(kind):
    assert prompt(sampled(kind)) == APPLE


def test_where_it_is_not_seen_whether_the_model_comes_first_the_second_output_is_of_no_side():
    assert "node 20" in why(sampled("SomeAdapter"))
    assert prompt(sampled("ACN_Something", positive=0, negative=1)) == APPLE
