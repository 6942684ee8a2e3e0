"""ComfyUI's nodes that hold the text of a prompt: encoders of every kind, and loaders that hold both."""

import pytest
from comfy_graphs import APPLE, NEGATIVE, graph, node, prompt

ENCODERS = [
    (node("Power Prompt (rgthree)", prompt=APPLE, opt_clip=["4", 1], insert_lora="CHOOSE"), APPLE),
    (
        node("SDXL Power Prompt - Positive (rgthree)", prompt_g=APPLE, prompt_l="oil", opt_clip=["4", 1]),
        "a red apple, oil",
    ),
    (node("CLIPTextEncodeLumina2", system_prompt="superior", user_prompt=APPLE, clip=["4", 1]), APPLE),
    (node("CLIPTextEncode", text="You are an assistant. <Prompt Start> a red apple", clip=["4", 1]), APPLE),
    (node("CLIPTextEncodeKandinsky5", clip_l="apple", qwen25_7b=APPLE, clip=["4", 1]), APPLE),
    (node("TextEncodeQwenImageEditPlus", prompt=APPLE, clip=["4", 1], image1=["40", 0]), APPLE),
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


LOADERS = {
    "Efficient Loader": 1,
    "easy fullLoader": 4,
    "ttN pipeLoader_v2": 2,
}


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("linked", [False, True])
def test_a_loader_holds_both_prompts_also_where_they_are_linked_to_texts(kind, linked):
    texts = {"n41": node("easy positive", positive=APPLE), "n42": node("easy negative", negative=NEGATIVE)}
    held = (
        {"positive": ["41", 0], "negative": ["42", 0]}
        if linked
        else {"positive": APPLE, "negative": NEGATIVE}
    )
    loader = node(kind, ckpt_name="x", positive_token_normalization="none", **held)
    assert prompt(graph(sampler={"positive": ["20", LOADERS[kind]]}, n20=loader, **texts)) == APPLE


def test_a_loaders_pipe_leads_to_its_positive_prompt():
    nodes = {
        "1": node("easy a1111Loader", ckpt_name="x", positive=["5", 0], negative=["6", 0]),
        "2": node("easy preSampling", pipe=["1", 0], steps=20),
        "3": node("easy kSampler", pipe=["2", 0], image_output="Preview"),
        "4": node("SaveImage", images=["3", 1], filename_prefix="ComfyUI"),
        "5": node("easy positive", positive=APPLE),
        "6": node("easy negative", negative=NEGATIVE),
    }
    assert prompt(nodes) == APPLE
    tuples = {
        "1": node("Eff. Loader SDXL", positive=APPLE, negative=NEGATIVE),
        "2": node("Unpack SDXL Tuple", sdxl_tuple=["1", 0]),
        "3": node("KSampler SDXL (Eff.)", sdxl_tuple=["1", 0], latent_image=["1", 1]),
        "4": node("SaveImage", images=["3", 3], filename_prefix="ComfyUI"),
    }
    assert (
        prompt(tuples)
        == prompt(graph(sampler={"positive": ["2", 2]}, n1=tuples["1"], n2=tuples["2"]))
        == APPLE
    )


def test_an_unknown_node_with_one_text_and_the_text_model_is_an_encoder():
    assert prompt(graph(n6=node("PromptManager", text=APPLE, clip=["4", 1], category="", tags=""))) == APPLE
