"""ComfyUI's graphs are walked back from the node that saved the image to its positive prompt, or there is no
prompt and the reason names the node.
"""

import json
import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankkit.io.prompts.embedded import comfyui
from rankkit.io.prompts.embedded.source import read_texts
from rankkit.io.prompts.syntax import plain_words

NEGATIVE = "blurry and very very long, low quality, so that length cannot decide"


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def graph(text="a red apple", *, sampler=None, **more):
    """A text-to-image graph as the program writes it;

    `more` adds nodes, or replaces some by number (n6=…).
    """
    nodes = {
        "3": node(
            "KSampler",
            seed=1,
            steps=20,
            cfg=7.0,
            denoise=1.0,
            model=["4", 0],
            positive=["6", 0],
            negative=["7", 0],
            latent_image=["5", 0],
        ),
        "4": node("CheckpointLoaderSimple", ckpt_name="x.safetensors"),
        "5": node("EmptyLatentImage", width=512, height=512, batch_size=1),
        "6": node("CLIPTextEncode", text=text, clip=["4", 1]),
        "7": node("CLIPTextEncode", text=NEGATIVE, clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", filename_prefix="ComfyUI", images=["8", 0]),
    }
    if sampler:
        nodes["3"]["inputs"].update(sampler)
    return nodes | {key.lstrip("n"): value for key, value in more.items()}


def found(nodes, file_name="ComfyUI_00001_.png"):
    return comfyui.read({"prompt": json.dumps(nodes), "workflow": '{"nodes": []}'}, file_name)


def prompt(nodes, file_name="ComfyUI_00001_.png"):
    answer = found(nodes, file_name)
    assert answer.prompt is not None, answer.why
    return answer.prompt


def why(nodes):
    answer = found(nodes)
    assert answer.prompt is None, answer.prompt
    return answer.why


def test_the_text_of_the_positive_side_is_the_prompt():
    assert prompt(graph()) == "a red apple"


def test_an_empty_prompt_is_empty():
    assert prompt(graph("")) == ""


def test_notes_and_nodes_that_lead_nowhere_do_not_count():
    stray = {
        "n30": node("CLIPTextEncode", text="a stray text that leads nowhere at all", clip=["4", 1]),
        "n31": node("Note", text="remember: x"),
    }
    assert prompt(graph(**stray)) == "a red apple"


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
    "reroute": ({"n20": node("Reroute (rgthree)", **{"": ["6", 0]})}, None),
}


@pytest.mark.parametrize("name", [name for name, (_, way) in CONDITIONING.items() if way])
def test_nodes_on_the_way_of_the_conditioning_pass_it_on(name):
    more, way = CONDITIONING[name]
    assert prompt(graph(sampler={"positive": way}, **more)) == "a red apple"


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


ENCODERS = [
    (
        node("CLIPTextEncodeSDXL", text_g="a red apple", text_l="a red apple", width=1024, clip=["4", 1]),
        "a red apple",
    ),
    (
        node("CLIPTextEncodeSDXL", text_g="a red apple", text_l="oil painting", clip=["4", 1]),
        "a red apple, oil painting",
    ),
    (
        node(
            "CLIPTextEncodeFlux",
            clip_l="apple, red",
            t5xxl="a red apple on a table",
            guidance=3.5,
            clip=["4", 1],
        ),
        "a red apple on a table",
    ),
    (node("CLIPTextEncodeFlux", clip_l="a red apple", t5xxl="", guidance=3.5, clip=["4", 1]), "a red apple"),
    (
        node(
            "CLIPTextEncodeSD3",
            clip_l="a red apple",
            clip_g="a red apple",
            t5xxl="a red apple",
            clip=["4", 1],
        ),
        "a red apple",
    ),
    (node("smZ CLIPTextEncode", text="a red apple", parser="A1111", clip=["4", 1]), "a red apple"),
    (
        node("BNK_CLIPTextEncodeAdvanced", text="a red apple", token_normalization="none", clip=["4", 1]),
        "a red apple",
    ),
    (node("TextEncodeQwenImageEdit", prompt="a red apple", clip=["4", 1]), "a red apple"),
    (
        node(
            "ImpactWildcardEncode",
            wildcard_text="a {red|blue} apple",
            populated_text="a red apple",
            model=["4", 0],
            clip=["4", 1],
        ),
        "a red apple",
    ),
]


@pytest.mark.parametrize(("encoder", "text"), ENCODERS)
def test_encoders_of_every_kind_are_read(encoder, text):
    assert prompt(graph(n6=encoder)) == text


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
    (node("ShowText|pysssss", text=["30", 0], text_0="a red apple"), "a red apple"),
    (node("ShowText|pysssss", text=["30", 0], text2="a red apple"), "a red apple"),
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
]


@pytest.mark.parametrize(("maker", "text"), TEXTS, ids=[maker["class_type"] for maker, _ in TEXTS])
def test_text_nodes_are_followed_where_their_inputs_decide_the_result(maker, text):
    others = {
        "n30": node("PrimitiveString", value=NEGATIVE),
        "n31": node("PrimitiveString", value="a blue bird"),
        "n32": node("PrimitiveString", value="a red apple"),
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
    (node("Reroute", **{"": ["20", 0]}), "circle"),
    (node("Reroute", **{"": ["99", 0]}), "99"),
]


@pytest.mark.parametrize(("maker", "says"), LOST, ids=[maker["class_type"] for maker, _ in LOST])
def test_where_the_text_cannot_be_told_there_is_no_prompt_and_the_reason_names_the_node(maker, says):
    others = {
        "n30": node("PrimitiveString", value=NEGATIVE),
        "n31": node("PrimitiveString", value="a blue bird"),
    }
    assert says in why(graph(["20", 0], n20=maker, **others))


def test_loaders_that_carry_both_prompts_are_known_by_their_slots():
    loader = node(
        "Efficient Loader", ckpt_name="x", positive="a red apple", negative=NEGATIVE, empty_latent_width=512
    )
    sampler = node(
        "KSampler (Efficient)",
        model=["20", 0],
        positive=["20", 1],
        negative=["20", 2],
        latent_image=["20", 3],
        seed=1,
    )
    assert (
        prompt({"20": loader, "3": sampler, "9": node("SaveImage", filename_prefix="x", images=["3", 5])})
        == "a red apple"
    )


def test_a_custom_sampler_is_followed_by_its_guider():
    nodes = graph(
        n3=node(
            "SamplerCustomAdvanced",
            noise=["21", 0],
            guider=["22", 0],
            sampler=["23", 0],
            sigmas=["24", 0],
            latent_image=["5", 0],
        ),
        n22=node("BasicGuider", model=["4", 0], conditioning=["6", 0]),
        n23=node("KSamplerSelect", sampler_name="euler"),
    )
    assert prompt(nodes) == "a red apple"
    nodes["22"] = node("CFGGuider", model=["4", 0], positive=["6", 0], negative=["7", 0], cfg=5.0)
    assert prompt(nodes) == "a red apple"


def second_pass(**inputs):
    return node(
        "KSampler", seed=2, denoise=0.4, model=["4", 0], positive=["41", 0], negative=["7", 0], **inputs
    )


FACE = node("CLIPTextEncode", text="detailed face", clip=["4", 1])


def test_of_a_chain_of_samplers_the_one_that_starts_from_an_empty_latent_counts():
    upscaled = {
        "n40": node("LatentUpscale", samples=["3", 0], width=1024),
        "n42": second_pass(latent_image=["40", 0]),
        "n41": FACE,
    }
    assert prompt(graph(n8=node("VAEDecode", samples=["42", 0], vae=["4", 2]), **upscaled)) == "a red apple"


def test_a_pass_over_the_decoded_image_belongs_to_the_chain():
    again = {
        "n40": node("ImageUpscaleWithModel", image=["8", 0], upscale_model=["50", 0]),
        "n43": node("VAEEncode", pixels=["40", 0], vae=["4", 2]),
        "n42": second_pass(latent_image=["43", 0]),
        "n41": FACE,
        "n44": node("VAEDecode", samples=["42", 0], vae=["4", 2]),
    }
    assert (
        prompt(graph(n9=node("SaveImage", filename_prefix="ComfyUI", images=["44", 0]), **again))
        == "a red apple"
    )


@pytest.mark.parametrize("kind", ["FaceDetailer", "UltimateSDUpscale", "DetailerForEach"])
def test_detailers_and_upscalers_do_not_count(kind):
    detailer = node(kind, image=["8", 0], positive=["41", 0], negative=["7", 0], denoise=0.4)
    nodes = graph(n40=detailer, n41=FACE, n9=node("SaveImage", filename_prefix="ComfyUI", images=["40", 0]))
    assert prompt(nodes) == "a red apple"
    assert prompt(dict(sorted(nodes.items(), key=lambda item: item[0] != "40"))) == "a red apple", (
        "wherever it stands in the file"
    )


def two_images():
    other = {
        "n33": node(
            "KSampler", seed=5, model=["4", 0], positive=["36", 0], negative=["7", 0], latent_image=["5", 0]
        ),
        "n36": node("CLIPTextEncode", text="a blue bird", clip=["4", 1]),
        "n38": node("VAEDecode", samples=["33", 0], vae=["4", 2]),
    }
    return graph(n39=node("SaveImage", filename_prefix="birds/bird", images=["38", 0]), **other)


def test_where_a_graph_saves_several_images_the_prefix_of_the_name_tells_which():
    assert prompt(two_images(), "ComfyUI_00001_.png") == "a red apple"
    assert prompt(two_images(), "bird_00001_.png") == "a blue bird"
    assert found(two_images(), "renamed.png").prompt is None


def test_an_image_that_was_loaded_has_no_prompt():
    nodes = graph(
        n9=node("SaveImage", filename_prefix="x", images=["40", 0]),
        n40=node("ImageScale", image=["41", 0], width=64),
        n41=node("LoadImage", image="a.png"),
    )
    assert "node 41" in why(nodes)


def test_a_model_is_never_walked_for_text():
    lora = node("LoraTagLoader", model=["4", 0], clip=["4", 1], text="<lora:evil:1> evil words")
    assert (
        prompt(graph(n6=node("CLIPTextEncode", text="a red apple", clip=["20", 1]), n20=lora))
        == "a red apple"
    )


@pytest.mark.parametrize(
    "texts",
    [
        {"prompt": json.dumps(graph())},
        {"Model": "prompt:" + json.dumps(graph())},
        {"Make": "Prompt:" + json.dumps(graph())},
        {"ImageDescription": "Prompt: " + json.dumps(graph())},
        {"UserComment": json.dumps({"prompt": graph(), "workflow": {}})},
        {"UserComment": json.dumps({"prompt": json.dumps(graph())})},
        {"prompt": json.dumps(graph(sampler={"cfg": float("nan")}))},
    ],
)
def test_a_graph_is_found_wherever_the_program_puts_it(texts):
    assert read_texts(texts).prompt == "a red apple"


# --- anything else: no traceback, and never a prompt that is not the positive one ---


def mutated(rng):
    """A graph with things cut, crossed, renamed or broken."""
    nodes = json.loads(
        json.dumps(
            two_images()
            if rng.random() < 0.3
            else graph(["20", 0], n20=rng.choice(TEXTS)[0], n32=node("PrimitiveString", value="a red apple"))
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
