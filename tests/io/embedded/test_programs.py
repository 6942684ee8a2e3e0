"""What each program writes into its images is read as its positive prompt, or not at all."""

import json
from pathlib import Path

import pytest
from marked_images import SETTINGS, png, prompt_of

from rankkit.io.prompts.embedded import a1111, comfyui, midjourney, source
from rankkit.io.prompts.embedded.source import read_texts

SWARM = {
    "sui_image_params": {"prompt": "a fox <lora:x:1>", "negativeprompt": "blurry"},
    "sui_extra_data": {"date": "2026"},
}
FOOOCUS = {
    "prompt": "a fox",
    "negative_prompt": "",
    "full_prompt": ["cinematic a fox"],
    "base_model": "j",
    "version": "Fooocus v2.2.1",
}
FOOOCUS_OLD = {"Prompt": "a fox", "Negative Prompt": "blurry", "Styles": "[]", "Performance": "Speed"}
MRE = {"prompt": "a fox", "negative_prompt": "blurry", "real_prompt": ["x"], "software": "Fooocus 1.0.67 MRE"}
DRAW = {"c": "a fox", "uc": "blurry", "sampler": "DPM++", "v2": {}}
EASY = {
    "prompt": "a fox",
    "negative_prompt": "blurry",
    "num_inference_steps": 25,
    "use_stable_diffusion_model": "x",
}
NOVEL = {"prompt": "{{a fox}}, [snow]", "uc": "blurry", "steps": 28}
NOVEL4 = {
    "v4_prompt": {
        "caption": {"base_caption": "a fox", "char_captions": [{"char_caption": "girl, red hair"}]}
    },
    "uc": "x",
    "prompt": "old",
}
INVOKE3 = {"positive_prompt": "a fox", "negative_prompt": "blurry", "app_version": "4.2"}
INVOKE2 = {"image": {"prompt": [{"prompt": "a fox [blurry]", "weight": 1.0}], "steps": 50}}
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="r"><rdf:Description xmlns:exif="e">
<exif:UserComment><rdf:Alt>
<rdf:li xml:lang="x-default">{"c": "a fox &amp; a dog", "uc": "blurry", "sampler": "Euler"}</rdf:li></rdf:Alt>
</exif:UserComment>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
PROGRAMS = [
    ("SwarmUI", {"parameters": json.dumps(SWARM)}, "a fox <lora:x:1>"),
    (
        "SwarmUI",
        {"parameters": json.dumps({"sui_image_params": {"prompt": ("a fox<segment:face> a face")}})},
        "a fox",
    ),
    ("SwarmUI", {"UserComment": json.dumps(SWARM, indent=1)}, "a fox <lora:x:1>"),
    ("Fooocus", {"parameters": json.dumps(FOOOCUS), "fooocus_scheme": "fooocus"}, "a fox"),
    ("Fooocus", {"UserComment": json.dumps(FOOOCUS)}, "a fox"),
    ("Fooocus", {"parameters": json.dumps(FOOOCUS_OLD)}, "a fox"),
    ("Fooocus", {"Comment": json.dumps(MRE)}, "a fox"),
    ("A1111", {"parameters": f"a fox\nNegative prompt: x\n{SETTINGS}", "fooocus_scheme": "a1111"}, "a fox"),
    ("Draw Things", {"UserComment": json.dumps(DRAW)}, "a fox"),
    ("Draw Things", {"xmp": XMP}, "a fox & a dog"),
    (
        "Easy Diffusion",
        {"prompt": "a fox", "negative_prompt": "x", "num_inference_steps": "25", "sampler_name": "e"},
        "a fox",
    ),
    ("Easy Diffusion", {"Prompt": "a fox", "Negative Prompt": "x", "Sampler": "e"}, "a fox"),
    ("Easy Diffusion", {"UserComment": json.dumps(EASY)}, "a fox"),
    ("InvokeAI", {"invokeai_metadata": json.dumps(INVOKE3), "invokeai_graph": "{}"}, "a fox"),
    (
        "InvokeAI",
        {"invokeai_metadata": json.dumps({**INVOKE3, "positive_style_prompt": "oil"})},
        "a fox, oil",
    ),
    ("InvokeAI", {"sd-metadata": json.dumps(INVOKE2)}, "a fox"),
    (
        "InvokeAI",
        {"sd-metadata": json.dumps({"image": {"prompt": "a fox [blurry]"}}), "Dream": '"x" -s5'},
        "a fox",
    ),
    ("InvokeAI", {"Dream": '"a fox, 1girl [blurry]" -s50 -W512 -H512 -C7.5 -Ak_lms -S1'}, "a fox, 1girl"),
    (
        "NovelAI",
        {"Software": "NovelAI", "Description": ("{{a fox}}, [snow]"), "Comment": json.dumps(NOVEL)},
        "{{a fox}}, [snow]",
    ),
    (
        "NovelAI",
        {"Software": "NovelAI", "Description": "old", "Comment": json.dumps(NOVEL4)},
        ("a fox, girl, red hair"),
    ),
    (
        "NovelAI",
        {"UserComment": json.dumps({"Comment": json.dumps(NOVEL), "Software": "NovelAI"})},
        "{{a fox}}, [snow]",
    ),
    (
        "Midjourney",
        {"Description": ("a fox, red --ar 3:2 --v 5.1 Job ID: 01234567-89ab-cdef-0123-456789abcdef")},
        "a fox, red",
    ),
    (
        "SwarmUI",
        {
            "parameters": json.dumps(
                {"sui_image_params": {"prompt": "<base>a fox<refiner>fur<segment:eye>eyes"}}
            )
        },
        "a fox",
    ),
    ("NovelAI", {"UserComment": json.dumps({"Comment": NOVEL, "Software": "NovelAI"})}, "{{a fox}}, [snow]"),
    ("Midjourney", {"Description": "a fox::2 snow::-0.5 --ar 3:2 Job ID: 01234567-89ab"}, "a fox"),
    (
        "Midjourney",
        {"xmp": "<dc:description>a fox --v 6 Job ID: 01234567-89ab</dc:description>"},
        "a fox",
    ),
    (
        "Midjourney",
        {"Description": ("https://s.mj.run/x a fox::2 snow::1 --q 2 Job ID: 01234567-89ab")},
        "a fox snow",
    ),
]
TENSOR = {"prompt": "a fox", "negativePrompt": "blurry", "baseModel": {"label": "x"}, "seed": "1"}
PROGRAMS += [
    ("Tensor.Art", {"generation_data": json.dumps(TENSOR) + "\0", "prompt": '{"1": {}}'}, "a fox"),
    (
        "Midjourney",
        {"Description": "a fox {running} --ar 3:2 Job ID: 01234567-89ab"},
        "a fox {running}",
    ),
]


@pytest.mark.parametrize(
    "texts",
    [
        {"generation_data": json.dumps({**TENSOR, "prompt": ["a fox"]})},
        {"Description": "a {red, blue} fox --ar 3:2 Job ID: 01234567-89ab"},
    ],
)
def test_a_site_that_tells_no_prompt_or_several_says_why(texts):
    assert (found := read_texts(texts)).prompt is None and found.why


MOCHI = "Include in Image: a fox; big, (soft); Exclude from Image: blurry; Model: sd; Steps: 20; Seed: 1; "
MOCHI_2 = (
    "Metadata Version: 2\nInclude in Image: a fox\\n; Seed: \\\\ 2\nExclude from Image: blurry\nModel: sd\n"
    "Generator: Mochi Diffusion 6.1"
)
BY_MOCHI = [
    (f"{MOCHI}Generator: Mochi Diffusion 5.1", "a fox; big, (soft)"),
    ("Include in Image: ; Exclude from Image: ; Model: sd; Generator: Mochi Diffusion 3", ""),
    (MOCHI_2, "a fox\n; Seed: \\ 2"),
    (MOCHI_2.replace("n: 2", "n: 3"), None),
    (f"{MOCHI}; Include in Image: two; Generator: Mochi Diffusion 5.1", None),
]


@pytest.mark.parametrize(("written", "prompt"), BY_MOCHI)
def test_what_mochi_diffusion_writes_into_xmp_ends_at_the_next_label(tmp_path, written, prompt):
    text = f"<dc:description><rdf:Alt><rdf:li>{written}</rdf:li></rdf:Alt></dc:description>"
    assert (found := read_texts({"xmp": text})).prompt == prompt and found.program == "Mochi Diffusion"
    assert found.why or found.negative in ("blurry", "")
    assert prompt_of(png(tmp_path / "a.png", **{"XML:com.adobe.xmp": text})) == prompt
    assert read_texts({"xmp": text.replace("Mochi Diffusion", "Another")}) is None or "Version" in written


@pytest.mark.parametrize(("program", "texts", "prompt"), PROGRAMS)
def test_a_program_is_known_by_what_it_writes_and_its_positive_prompt_is_taken(program, texts, prompt):
    found = read_texts(texts)
    assert (found.program, found.prompt) == (program, prompt)
    assert "blurry" not in prompt


@pytest.mark.parametrize(
    "texts",
    [
        {"parameters": json.dumps({"sui_image_params": {"prompt": ["a"]}})},
        {"parameters": json.dumps({"sui_image_params": {}})},
        {"parameters": json.dumps({"sui_image_params": {"prompt": "a <random:red,blue> fox"}})},
        {"invokeai_metadata": "{}"},
        {"sd-metadata": "{}"},
        {"Dream": "a fox -s50"},
        {"parameters": json.dumps({**FOOOCUS, "prompt": None})},
        {"Software": "NovelAI"},
        {"UserComment": json.dumps({**DRAW, "c": 3})},
        {"workflow": '{"nodes": []}'},
    ],
)
def test_a_file_of_a_program_without_a_prompt_that_is_a_text_says_why(texts):
    found = read_texts(texts)
    assert found.prompt is None and found.why


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {"parameters": '{"a": 1}'},
        {"parameters": "None"},
        {"Description": "a nice photo"},
        {"Comment": "Created with GIMP"},
        {"prompt": ('{"not": "a graph"}')},
        {"UserComment": '{"prompt": 3}'},
        {"parameters": "[" * 10**5},
        {"prompt": "[1, 2]"},
    ],
)
def test_what_no_program_of_these_wrote_is_no_prompt(texts):
    assert read_texts(texts) is None


def test_a_chunk_named_prompt_that_is_plain_text_is_a_prompt(tmp_path):
    assert prompt_of(png(tmp_path / "a.png", prompt="just a cat")) == "just a cat"


@pytest.mark.parametrize("place", ["parameters", "UserComment"])
def test_a_last_line_that_is_one_setting_ends_the_prompt(place):
    found = read_texts({place: "a blue apple <lora:red-dress:0.8>\nSteps: 20"})
    assert found is not None and found.prompt == "a blue apple <lora:red-dress:0.8>"


def test_the_page_on_files_names_every_program():
    page = (Path(__file__).parents[3] / "docs" / "your-files.md").read_text("utf-8")
    programs = [program.PROGRAM for program in (*source.SURE, comfyui, midjourney, a1111)]
    assert [name for name in programs if name not in page] == []
