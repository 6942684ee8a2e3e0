"""From a ComfyUI sampler to its prompt: by input and output slot, never the negative side."""

import pytest
from comfy_graphs import APPLE, NEGATIVE, encoder, graph, node, prompt, why

CONDITIONING = {
    "FluxGuidance": ({"n20": node("FluxGuidance", conditioning=["6", 0], guidance=3.5)}, ["20", 0]),
    "ControlNet, positive side": (
        {"n20": node("ControlNetApplyAdvanced", positive=["6", 0], negative=["7", 0], control_net=["21", 0])},
        ["20", 0],
    ),
    "style model": (
        {"n20": node("StyleModelApply", conditioning=["6", 0], style_model=["21", 0])},
        ["20", 0],
    ),
    "timestep range": (
        {"n20": node("ConditioningSetTimestepRange", conditioning=["6", 0], start=0.0, end=0.5)},
        ["20", 0],
    ),
    "reroute": ({"n20": node("Reroute", **{"": ["6", 0]})}, ["20", 0]),
    "a switch": (
        {
            "n20": node(
                "CR Conditioning Input Switch", Input=1, conditioning1=["6", 0], conditioning2=["7", 0]
            )
        },
        ["20", 0],
    ),
    "a switch by a constant": (
        {
            "n20": node("ComfySwitchNode", switch=["21", 0], on_true=["6", 0], on_false=["7", 0]),
            "n21": node("PrimitiveBoolean", value=True),
        },
        ["20", 0],
    ),
    "the first that is linked": (
        {"n20": node("Any Switch (rgthree)", any_01=["6", 0], any_02=["7", 0])},
        ["20", 0],
    ),
    "an average of one alone": (
        {
            "n20": node(
                "ConditioningAverage",
                conditioning_to=["6", 0],
                conditioning_from=["7", 0],
                conditioning_to_strength=1.0,
            )
        },
        ["20", 0],
    ),
    "words for a control network": (
        {"n20": node("CLIPTextEncodeControlnet", clip=["4", 1], conditioning=["6", 0], text="depth")},
        ["20", 0],
    ),
    "inpainting": (
        {"n20": node("InpaintModelConditioning", positive=["6", 0], negative=["7", 0], pixels=["40", 0])},
        ["20", 0],
    ),
    "an image to start from": (
        {"n20": node("HunyuanImageToVideo", positive=["6", 0], start_image=["40", 0])},
        ["20", 0],
    ),
    "control networks in a row": (
        {"n20": node("CR Apply Multi-ControlNet", base_positive=["6", 0], base_negative=["7", 0])},
        ["20", 0],
    ),
    "a context": ({"n20": node("Context (rgthree)", positive=["6", 0], negative=["7", 0])}, ["20", 4]),
    "a context upon another": (
        {
            "n20": node("Context (rgthree)", positive=["6", 0], negative=["7", 0]),
            "n21": node("Context (rgthree)", base_ctx=["20", 0]),
        },
        ["21", 4],
    ),
    "a context that puts another prompt in": (
        {
            "n20": node("Context (rgthree)", positive=["7", 0]),
            "n21": node("Context Big (rgthree)", base_ctx=["20", 0], positive=["6", 0]),
        },
        ["21", 4],
    ),
    "a pipe": (
        {
            "n20": node("ToBasicPipe", positive=["6", 0], negative=["7", 0]),
            "n21": node("FromBasicPipe", basic_pipe=["20", 0]),
        },
        ["21", 3],
    ),
    "a pipe that passes itself on": (
        {
            "n20": node("ToBasicPipe", positive=["6", 0], negative=["7", 0]),
            "n21": node("FromBasicPipe_v2", basic_pipe=["20", 0]),
        },
        ["21", 4],
    ),
}


@pytest.mark.parametrize("name", CONDITIONING)
def test_nodes_on_the_way_of_the_conditioning_pass_it_on(name):
    more, way = CONDITIONING[name]
    assert prompt(graph(sampler={"positive": way}, **more)) == "a red apple"


CROSSED = {
    "a control network": ({"n20": node("ControlNetApplyAdvanced", positive=["7", 0], negative=["6", 0])}, 1),
    "a context": ({"n20": node("Context (rgthree)", positive=["7", 0], negative=["6", 0])}, 5),
    "a pair": (
        {
            "n20": node(
                "PairConditioningCombine",
                positive_A=["7", 0],
                negative_A=["6", 0],
                positive_B=["7", 0],
                negative_B=["6", 0],
            )
        },
        1,
    ),
    "a pipe": (
        {
            "n21": node("ToBasicPipe", positive=["7", 0], negative=["6", 0]),
            "n20": node("FromBasicPipe", basic_pipe=["21", 0]),
        },
        4,
    ),
    "a loader": ({"n20": node("easy fullLoader", positive=NEGATIVE, negative=APPLE)}, 5),
}


@pytest.mark.parametrize("name", CROSSED)
def test_where_sides_are_crossed_the_output_tells_which_one_is_given(name):
    more, slot = CROSSED[name]
    assert prompt(graph(sampler={"positive": ["20", slot]}, **more)) == APPLE


def test_the_output_slot_tells_the_sides_apart():
    both = node("ControlNetApplyAdvanced", positive=["7", 0], negative=["6", 0], control_net=["21", 0])
    assert prompt(graph(sampler={"positive": ["20", 1], "negative": ["20", 0]}, n20=both)) == "a red apple"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("ConditioningConcat", ("conditioning_to", "conditioning_from")),
        ("ConditioningCombine", ("conditioning_1", "conditioning_2")),
        ("ConditioningAverage", ("conditioning_to", "conditioning_from")),
    ],
)
def test_joined_conditionings_are_joined_texts(kind, names):
    joined = node(kind, **{names[0]: ["6", 0], names[1]: ["21", 0]})
    other = node("CLIPTextEncode", text="on a table", clip=["4", 1])
    assert prompt(graph(sampler={"positive": ["20", 0]}, n20=joined, n21=other)) == "a red apple, on a table"


def test_a_conditioning_of_nought_is_an_empty_prompt():
    assert (
        prompt(graph(sampler={"positive": ["20", 0]}, n20=node("ConditioningZeroOut", conditioning=["7", 0])))
        == ""
    )


GUIDERS = [
    node("DualCFGGuider", cond1=["6", 0], cond2=["7", 0], negative=["7", 0], cfg_conds=5.0),
    node("PerpNegGuider", positive=["6", 0], negative=["7", 0], empty_conditioning=["7", 0]),
    node("NAGGuider", conditioning=["6", 0], nag_negative=["7", 0]),
    node("VideoLinearCFGGuider", positive=["6", 0], negative=["7", 0]),
]


@pytest.mark.parametrize("guider", GUIDERS, ids=[guider["class_type"] for guider in GUIDERS])
def test_a_guider_is_followed_by_its_first_side(guider):
    sampler = node("SamplerCustomAdvanced", guider=["22", 0], sampler=["23", 0], latent_image=["5", 0])
    assert prompt(graph(n3=sampler, n22=guider)) == APPLE


@pytest.mark.parametrize("kind", ["BatchPromptSchedule", "PromptTravelEncoder", "SomeNodeThatMixes"])
def test_prompts_for_several_frames_or_of_several_texts_are_none(kind):
    maker = node(kind, text='"0": "a cat", "12": "a dog"', clip=["4", 1], pre_text="", app_text="x")
    assert "node 6" in why(graph(n6=maker))


def test_a_graph_in_which_every_node_joins_the_next_one_twice_is_followed_once():
    chain = {
        str(i): node("ConditioningCombine", conditioning_1=[str(i + 1), 0], conditioning_2=[str(i + 1), 0])
        for i in range(100, 200)
    }
    assert (
        prompt(
            graph(
                sampler={"positive": ["100", 0]},
                **{f"n{key}": each for key, each in chain.items()},
                n200=encoder(APPLE),
            )
        )
        == APPLE
    )
