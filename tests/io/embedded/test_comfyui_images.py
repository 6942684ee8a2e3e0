"""Between a ComfyUI sampler and the saved image: what passes an image on, and what makes one of several."""

import pytest
from comfy_graphs import APPLE, bird_too, encoder, graph, node, prompt, why


def second_pass(**inputs):
    return node(
        "KSampler", seed=2, denoise=0.4, model=["4", 0], positive=["41", 0], negative=["7", 0], **inputs
    )


FACE = node("CLIPTextEncode", text="detailed face", clip=["4", 1])


def saved(link, prefix="ComfyUI"):
    return node("SaveImage", filename_prefix=prefix, images=link)


JOINED = {
    "images": {"n39": node("ImageBatch", image1=["8", 0], image2=["38", 0]), "n9": saved(["39", 0])},
    "latents": {
        "n39": node("LatentBlend", samples1=["3", 0], samples2=["33", 0]),
        "n8": node("VAEDecode", samples=["39", 0]),
    },
    "pasted latents": {
        "n39": node("LatentComposite", samples_to=["3", 0], samples_from=["33", 0]),
        "n8": node("VAEDecode", samples=["39", 0]),
    },
    "pasted images": {
        "n39": node("ImageCompositeMasked", destination=["8", 0], source=["38", 0], x=0, y=0),
        "n9": saved(["39", 0]),
    },
    "latents before another pass": {
        "n39": node("LatentBlend", samples1=["3", 0], samples2=["33", 0]),
        "n42": second_pass(latent_image=["39", 0]),
        "n41": FACE,
        "n8": node("VAEDecode", samples=["42", 0]),
    },
}


@pytest.mark.parametrize("name", JOINED)
def test_an_image_made_of_two_with_different_prompts_has_none(name):
    nodes = graph(**bird_too(), **JOINED[name])
    assert "several" in why(nodes)
    assert prompt(nodes | {"36": encoder(APPLE)}) == APPLE, "with one prompt there is no doubt"


@pytest.mark.parametrize(
    "together",
    [
        node("ImageBatch", image1=["8", 0], image2=["40", 0]),
        node("ImageBatchMulti", image_1=["40", 0], image_2=["8", 0], inputcount=2),
        node("ImageStitch", image1=["40", 0], image2=["8", 0], direction="right"),
    ],
)
def test_an_image_with_a_loaded_one_beside_it_has_none(together):
    loaded = graph(n40=node("LoadImage", image="a.png"), n20=together, n9=saved(["20", 0]))
    assert "puts an image that was loaded beside" in why(loaded)
    assert prompt(loaded | {"40": node("VAEDecode", samples=["3", 0], vae=["4", 2])}) == APPLE


PASSED = {
    "a switch takes the first that is linked": node(
        "Any Switch (rgthree)", any_01=["8", 0], any_02=["38", 0]
    ),
    "a switch by number": node("CR Image Input Switch", Input=1, image1=["8", 0], image2=["38", 0]),
    "a node that frees memory": node("easy cleanGpuUsed", anything=["8", 0]),
    "a context": node("Context (rgthree)", images=["8", 0], positive=["7", 0], latent=["5", 0]),
    "colours of another image": node("ColorMatch", image_ref=["40", 0], image_target=["8", 0], method="mkl"),
    "a pass over tiles": node("UltimateSDUpscaleNoUpscale", upscaled_image=["8", 0], positive=["7", 0]),
    "a search by words": node("GroundingDinoSAMSegment (segment anything)", image=["8", 0], prompt="face"),
}


@pytest.mark.parametrize("name", PASSED)
def test_nodes_between_decoding_and_saving_pass_the_image_on(name):
    image = node("LoadImage", image="a.png")
    assert prompt(graph(n20=PASSED[name], n40=image, n9=saved(["20", 0]), **bird_too())) == APPLE
