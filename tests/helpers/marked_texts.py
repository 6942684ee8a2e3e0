"""Texts of files as each program writes them, in which every part that is no positive prompt bears a mark."""

import json

from comfy_graphs import encoder, graph, node

POSITIVE = "a fox in the snow"
MARKS = ("NEGATIVE", "SETTING", "NOTE", "PART")

SETTINGS = "Steps: 20, Sampler: SETTING, CFG scale: 7, Seed: 1, Size: 512x512"
A1111 = f"{POSITIVE}\nNegative prompt: NEGATIVE, blurry\n{SETTINGS}"
SWARM = {"prompt": f"{POSITIVE}<segment:eye>PART", "negativeprompt": "NEGATIVE", "model": "SETTING"}
FOOOCUS = {
    "prompt": POSITIVE,
    "negative_prompt": "NEGATIVE",
    "full_prompt": ["SETTING"],
    "base_model": "SETTING",
    "version": "Fooocus v2.2.1",
}
DRAW = {"c": POSITIVE, "uc": "NEGATIVE", "sampler": "SETTING", "v2": {"note": "NOTE"}}
EASY = {"prompt": POSITIVE, "negative_prompt": "NEGATIVE", "use_stable_diffusion_model": "SETTING"}
INVOKE = {"positive_prompt": POSITIVE, "negative_prompt": "NEGATIVE", "model": {"name": "SETTING"}}
NOVEL = {
    "prompt": POSITIVE,
    "uc": "NEGATIVE",
    "v4_prompt": {"caption": {"base_caption": POSITIVE, "char_captions": []}},
    "v4_negative_prompt": {"caption": {"base_caption": "NEGATIVE"}},
    "sampler": "SETTING",
}


def marked(text=POSITIVE, **more):
    """A ComfyUI graph with marks: its negative prompt, a setting, a note and a detailer's prompt."""
    nodes = graph(text, **more)
    nodes["7"] = encoder("NEGATIVE")
    nodes["4"]["inputs"]["ckpt_name"] = "SETTING"
    nodes["60"] = node("Note", text="NOTE")
    nodes["61"] = encoder("PART")
    return nodes


DETAILER = node("FaceDetailer", image=["8", 0], positive=["61", 0], negative=["7", 0], steps=20, wildcard="")
JOIN = node("StringConcatenate", string_a="a fox in", string_b=["21", 0], delimiter=" ")
LOADER = node("Efficient Loader", positive=POSITIVE, negative="NEGATIVE", ckpt_name="SETTING")
GRAPHS = [
    marked(),
    marked(n40=DETAILER, n9=node("SaveImage", filename_prefix="ComfyUI", images=["40", 0])),
    marked(["20", 0], n20=JOIN, n21=node("PrimitiveString", value="the snow")),
    marked(n20=LOADER, sampler={"positive": ["20", 1], "negative": ["20", 2]}),
    marked(
        n20=node("ControlNetApplyAdvanced", positive=["6", 0], negative=["7", 0], strength=1.0),
        sampler={"positive": ["20", 0], "negative": ["20", 1]},
    ),
    marked(
        n22=node("CFGGuider", positive=["6", 0], negative=["7", 0], cfg=3.0),
        n3=node("SamplerCustomAdvanced", guider=["22", 0], latent_image=["5", 0], sigmas=["24", 0]),
    ),
    marked(
        n20=node("ToBasicPipe", model=["4", 0], positive=["6", 0], negative=["7", 0]),
        n21=node("FromBasicPipe", basic_pipe=["20", 0]),
        sampler={"positive": ["21", 3], "negative": ["21", 4]},
    ),
    marked(
        ["20", 0],
        n20=node("ShowText|pysssss", text=["21", 0], text_0="NOTE"),
        n21=node("Text _O", text=POSITIVE),
    ),
    marked(
        ["20", 0],
        n20=node("ImpactSwitch", select=1, input1=["21", 0], input2=["7", 0]),
        n21=node("Text _O", text=POSITIVE),
    ),
]

# the name of a text, its fields, and what of them stands in it as JSON in a JSON text
JSON_TEXTS = [
    *(("prompt", nodes) for nodes in GRAPHS),
    ("UserComment", {"prompt": GRAPHS[0], "workflow": {"nodes": [{"id": 1, "widgets_values": ["NOTE"]}]}}),
    ("parameters", {"sui_image_params": SWARM, "sui_extra_data": {"date": "SETTING"}}),
    ("parameters", FOOOCUS),
    ("UserComment", DRAW),
    ("UserComment", EASY),
    ("invokeai_metadata", INVOKE),
    ("Comment", NOVEL),
]
PLAIN_TEXTS = [
    {"parameters": A1111},
    {"UserComment": A1111.replace("\n", ".")},
    {"Dream": f'"{POSITIVE} [NEGATIVE]" -s50 -ASETTING'},
    {"Description": f"{POSITIVE} --no NEGATIVE --v 6 Job ID: 01234567-89ab"},
    {"prompt": POSITIVE, "negative_prompt": "NEGATIVE", "sampler_name": "SETTING"},
]


def as_texts(name, fields):
    """The texts of a file that has these fields."""
    return {
        name: json.dumps(fields),
        "Software": "SETTING",
        "workflow": json.dumps({"nodes": [], "note": "NOTE"}),
    }
