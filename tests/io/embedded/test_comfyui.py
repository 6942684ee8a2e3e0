"""ComfyUI's graphs are walked back from the node that saved the image to its positive prompt, or there is no
prompt and the reason names the node.
"""

import json

import pytest
from comfy_graphs import APPLE, BIRD, NEGATIVE, bird_too, found, graph, node, prompt, why

from rankkit.io.prompts.embedded.source import read_texts


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


def saved(link, prefix="ComfyUI"):
    return node("SaveImage", filename_prefix=prefix, images=link)


def two_images(prefix="birds/bird", kind="SaveImage"):
    return graph(n39=node(kind, filename_prefix=prefix, images=["38", 0]), **bird_too())


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


def test_of_two_prefixes_the_longer_one_tells_and_a_file_of_a_preview_is_of_a_preview():
    assert prompt(two_images("ComfyUI_big"), "ComfyUI_big_00001_.png") == BIRD
    assert prompt(two_images("ComfyUI_big"), "ComfyUI_00001_.png") == APPLE
    assert prompt(two_images("%date:yyyy%/bird"), "bird_00001_.png") == BIRD
    assert prompt(two_images(kind="PreviewImage"), "ComfyUI_temp_abcde_00001_.png") == BIRD
    assert prompt(two_images(kind="PreviewImage"), "ComfyUI_00001_.png") == APPLE


SAMPLERS = [
    node("ClownsharKSampler_Beta", positive=["6", 0], negative=["7", 0], latent_image=["5", 0], eta=0.5),
    node(
        "KSamplerWithNAG", positive=["6", 0], negative=["7", 0], nag_negative=["7", 0], latent_image=["5", 0]
    ),
    node("XT_404", positive=["6", 0], negative=["7", 0], latent_image=["5", 0], steps=20, cfg=7.0),
    node("ImpactKSamplerBasicPipe", basic_pipe=["44", 0], seed=1, latent_image=["5", 0]),
]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=[sampler["class_type"] for sampler in SAMPLERS])
def test_a_sampler_is_known_by_its_inputs(sampler):
    pipe = node("ToBasicPipe", model=["4", 0], clip=["4", 1], positive=["6", 0], negative=["7", 0])
    assert prompt(graph(n3=sampler, n44=pipe)) == APPLE


def test_a_sampler_that_goes_on_with_another_ones_settings_belongs_to_its_chain():
    more = node("ClownsharkChainsampler_Beta", latent_image=["3", 0], eta=0.5)
    assert prompt(graph(n30=more, n8=node("VAEDecode", samples=["30", 0]))) == APPLE


def test_numbers_of_nodes_inside_subgraphs_are_numbers():
    nodes = {f"12:{key}": value for key, value in graph(["13", 0]).items() if key != "9"}
    inside = json.loads(json.dumps(nodes).replace('["', '["12:').replace('["12:13"', '["13"'))
    text = node("PrimitiveStringMultiline", value=APPLE)
    assert prompt({**inside, "13": text, "9": saved(["12:8", 0])}) == APPLE


def test_a_service_makes_the_image_by_the_prompt_it_is_given():
    made = {"1": node("OpenAIGPTImage1", prompt=APPLE, quality="low", n=1), "9": saved(["1", 0])}
    assert prompt(made) == APPLE
    edited = node("GeminiImageNode", prompt="make it blue", images=["8", 0], model="x")
    assert prompt(graph(n39=edited, n9=saved(["39", 0]))) == "make it blue"


def test_a_video_is_an_image_too():
    nodes = {
        "1": node("WanVideoTextEncode", t5=["5", 0], positive_prompt=APPLE, negative_prompt=NEGATIVE),
        "2": node("WanVideoSampler", model=["4", 0], text_embeds=["1", 0], image_embeds=["7", 0]),
        "3": node("WanVideoDecode", vae=["6", 0], samples=["2", 0]),
        "9": node("VHS_VideoCombine", images=["3", 0], filename_prefix="wan"),
    }
    assert prompt(nodes, "wan_00001.png") == APPLE


def test_a_graph_among_other_fields_of_a_site_is_read():
    fields = {**graph(), "extra": {"airs": []}, "extraMetadata": json.dumps({"prompt": "old"})}
    assert read_texts({"UserComment": json.dumps(fields)}).prompt == APPLE


def test_a_latent_of_a_node_that_is_not_stored_is_taken_for_an_empty_one():
    nodes = graph()
    del nodes["5"]
    assert prompt(nodes) == APPLE
    assert "lacks node 8" in why({key: value for key, value in nodes.items() if key != "8"})


def test_a_second_stage_goes_on_with_the_first_ones_latent():
    stages = {
        "n34": node("StableCascade_EmptyLatentImage", width=1024),
        "n36": node("StableCascade_StageB_Conditioning", conditioning=["40", 0], stage_c=["3", 0]),
        "n40": node("ConditioningZeroOut", conditioning=["6", 0]),
        "n33": node("KSampler", positive=["36", 0], negative=["40", 0], latent_image=["34", 1]),
        "n8": node("VAEDecode", samples=["33", 0]),
    }
    assert prompt(graph(sampler={"latent_image": ["34", 0]}, **stages)) == APPLE


@pytest.mark.parametrize("wrapped", ["\ufeff{}", "{}\0", " {}\n"])
def test_a_graph_is_json_whatever_stands_around_it(wrapped):
    assert read_texts({"prompt": wrapped.replace("{}", json.dumps(graph()))}).prompt == APPLE
    assert read_texts({"prompt": json.dumps(json.dumps(graph()))}).prompt == APPLE, "encoded twice"
