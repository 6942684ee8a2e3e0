"""JSON beside an image: what a program or a service wrote of it is read, anything else is no prompt."""

import json

import pytest
from comfy_graphs import graph
from prompt_files import prompts, put, why

pytestmark = pytest.mark.usefixtures("here")

SWARM = {"sui_image_params": {"prompt": "a fox <segment:face> eyes", "negativeprompt": "blurry"}}
CIVITAI = {
    "id": 1,
    "url": "https://image.civitai.com/x/1.jpeg",
    "meta": {"prompt": "a fox <lora:x:1>", "negativePrompt": "blurry"},
}
REPLICATE = {
    "id": "x",
    "input": {"prompt": "a fox", "seed": 1},
    "output": ["https://replicate.delivery/a.png"],
}


@pytest.mark.parametrize("name", ["a.swarm.json", "A.SWARM.JSON", "a.json", "a.png.json", "a.png.swarm.json"])
def test_swarmui_writes_its_json_beside_images_that_hold_none(name):
    put({"d/a.png": None, f"d/{name}": json.dumps(SWARM)})
    assert prompts() == {"a.png": "a fox"}


def test_a_rating_alone_in_swarmuis_json_is_no_prompt_and_hides_none():
    put({"d/a.png": None, "d/a.swarm.json": '{"rating": 4, "tags": ["fox"]}', "d/b.png": None})
    assert prompts() == {"a.png": "", "b.png": ""}
    put({"d/a.txt": "a fox", "d/A.png": None, "d/B.swarm.json": json.dumps(SWARM), "d/B.png": None})
    assert prompts() == {"a.png": "a fox", "b.png": "", "A.png": "", "B.png": "a fox"}


@pytest.mark.parametrize("record", [CIVITAI, REPLICATE])
def test_the_record_of_a_service_beside_its_image_gives_the_prompt_in_it(record):
    put({"d/a.png": None, "d/a.json": json.dumps(record)})
    assert prompts() == {"a.png": "a fox"}


@pytest.mark.parametrize(
    "record",
    [
        {**CIVITAI, "meta": None},
        {**CIVITAI, "meta": {"Model": "x"}},
        {"meta": {"prompt": "a fox"}},
        {**REPLICATE, "input": {"text_prompt": "a fox"}},
        {"input": {"prompt": "summarize"}},
        {"images": [{"url": "https://x.org/a.png"}], "prompt": "a fox"},
        {"description": "", "sd version": "SDXL", "activation text": "foxy", "notes": ""},
    ],
)
def test_json_that_does_not_tell_whose_prompt_it_holds_gives_none(record):
    put({"d/a.png": None, "d/a.json": json.dumps(record)})
    assert prompts() == {"a.png": ""}


def test_a_graph_beside_an_image_is_followed_and_a_canvas_says_why_it_is_not():
    put({"d/a.png": None, "d/a.json": json.dumps(graph("a fox")), "d/b.png": None, "d/c.png": None})
    put({"d/b.json": json.dumps({"prompt": graph("a dog"), "workflow": {"nodes": []}})})
    put({"d/c.json": json.dumps({"nodes": [], "links": [], "version": 0.4})})
    assert prompts() == {"a.png": "a fox", "b.png": "a dog", "c.png": ""}
    assert "only the canvas" in why()["c.png"]


@pytest.mark.parametrize("site", ["pixiv", "civitai", "twitter"])
def test_the_caption_of_a_post_is_no_prompt(site):
    post = {"category": site, "subcategory": "user", "caption": "thanks for 1000 followers!", "id": 1}
    put({"d/a.png": None, "d/a.png.json": json.dumps(post)})
    assert prompts() == {"a.png": ""} and "tells of a post" in why()["a.png"]
