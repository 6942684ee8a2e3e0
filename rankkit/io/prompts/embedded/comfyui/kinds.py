"""What ComfyUI's nodes and those of common extensions mean, by the names of their classes and inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Side = Literal["positive", "negative"]

# --- from the image to the sampler ---

SAVERS = re.compile(r"save|preview|output|writer|video.?combine", re.IGNORECASE)
KEEPERS = re.compile(r"save|video.?combine", re.IGNORECASE)  # they keep a file; others show one
TEMPORARY = re.compile(r"^ComfyUI_temp_[a-z]{5}_\d+_?\.", re.IGNORECASE)
SAMPLERS = re.compile(r"sampler", re.IGNORECASE)
NOT_SAMPLERS = re.compile(
    r"sampler(?:select|custom_?noise)|^select|upscale|detailer|noise.?inject", re.IGNORECASE
)
SETTINGS = {"seed", "noise_seed", "steps", "cfg", "sampler_name", "scheduler", "denoise", "sigmas"}
# Nodes that give the cells of a plot prompts of their own, and inputs that name such an axis.
PLOTTED = re.compile(r"xy.?inputs?: ?(?:prompt|positive|negative|text|style|wildcard)", re.IGNORECASE)
AXES = ("x_axis", "y_axis", "z_axis")
POSITIVES = ("positive", "guider", "conditioning", "text_embeds", "hyvid_embeds")
LOADED = re.compile(r"load.?image|image.?load|image.?from|clipboard|webcam|load.?video", re.IGNORECASE)
# Nodes of services that make an image from a prompt in one step.
SERVICES = re.compile(
    r"^(?:OpenAI(?:DalE|DallE|GPTImage)|FluxPro|FluxKontext(?:Pro|Max)|Flux2(?:Pro|Max)|Ideogram|Recraft(?:TextTo|ImageTo)"
    r"|StabilityStableImage|Luma(?:Image|ImageModify)|Gemini(?:\w*Image)|GoogleNanoBanana|ByteDance(?:Image|Seedream)"
    r"|RunwayTextToImage|KlingImageGeneration|WanTextToImageApi|Reve|Krea)",
    re.IGNORECASE,
)
IMAGE_INPUTS = (
    "images",
    "image",
    "pixels",
    "upscaled_image",
    "input_image",
    "original_image",
    "image_target",
    "image_pass",
    "img",
    "IMAGE",
)
LATENT_INPUTS = ("samples", "latent_image", "latent", "latents", "LATENT")
# Several images or latents that a node makes one of.
BLENDED = re.compile(
    r"^(?:image|images|samples|latent|latents)_?(?:\d+|[a-h]|to|from)$|^(?:destination|source)$",
    re.IGNORECASE,
)
# Nodes that put images side by side, or into one batch of which each is saved.
PUT_TOGETHER = re.compile(r"batch|concat|concanat|stitch|image.?grid|comparer", re.IGNORECASE)

# --- from the sampler to the text ---

PIPE = re.compile(r"(?:^|_)pipe$|^(?:base_ctx|context|ctx|ctx_\d+|sdxl_tuple)$")
CONDITIONING = re.compile(
    r"^cond(?:itioning)?s?(?:_?(?:\d+|[a-z]|to|from|new|default|input))?$|^(?:guider|text_embeds|hyvid_embeds)$",
    re.IGNORECASE,
)
# What a node of several conditionings goes by, where the others are no part of the prompt.
MAIN = {"DualCFGGuider": "cond1", "CLIPTextEncodeControlnet": "conditioning"}
TAKEN_AWAY = re.compile(r"subtract|minus|differ|remov|exclud|negat|perp|orthogonal", re.IGNORECASE)
ZERO = re.compile(r"zero.?out", re.IGNORECASE)
ENCODERS = re.compile(
    r"text.?encode|clip.?encode|wildcard.?encode|prompt.?encode|encode.?prompt|conditioning.*prompt|power.?prompt",
    re.IGNORECASE,
)
SCHEDULES = re.compile(r"schedul|travel|batch|interpolat", re.IGNORECASE)
# Nodes that hold both prompts as texts, in inputs that bear the names of the sides.
HOLDERS = re.compile(r"loader|text.?encode|positive.?negative", re.IGNORECASE)
SIDE = re.compile(r"(?:^|_)(?:(pos|positive)|(neg|negative))(?:_|$)", re.IGNORECASE)
OPTIONS = re.compile(
    r"^option|token_normalization|weight_interpretation|clip_skip|strength|_width|_height", re.IGNORECASE
)

# Which side an output gives, or the pipe that carries both; other nodes give the positive side first.
Outputs = dict[int, Side | None]
OUTPUTS: tuple[tuple[re.Pattern[str], Outputs], ...] = (
    (re.compile(r"^Efficient Loader"), {1: "positive", 2: "negative"}),
    (re.compile(r"^Eff\. Loader SDXL|^ToBasicPipe|^ToDetailerPipe|^Pack SDXL"), {0: None}),
    (re.compile(r"^easy .*loader", re.IGNORECASE), {0: None, 4: "positive", 5: "negative"}),
    (
        re.compile(r"^ttN pipe(?:Loader|OUT|EDIT)|^easy pipe(?:Out|Edit)$"),
        {0: None, 2: "positive", 3: "negative"},
    ),
    (re.compile(r"^From(?:Basic|Detailer)Pipe_"), {0: None, 4: "positive", 5: "negative"}),
    (re.compile(r"^From(?:Basic|Detailer)Pipe"), {3: "positive", 4: "negative"}),
    (re.compile(r"^Unpack SDXL"), {2: "positive", 3: "negative", 6: "positive", 7: "negative"}),
    (re.compile(r"^Context.*\(rgthree\)"), {0: None, 4: "positive", 5: "negative"}),
    (re.compile(r"w/Text \(WLSH\)"), {0: "positive", 1: "negative", 2: "positive", 3: "negative"}),
    (
        re.compile(r"^ApplyInstantID|^BrushNet|^PowerPaint|^HunyuanVideoEncodeKeyframesToCond"),
        {1: "positive", 2: "negative"},
    ),
    (re.compile(r"guider", re.IGNORECASE), {0: None}),
    (re.compile(r"sampler", re.IGNORECASE), {0: None, 1: "positive"}),
)

PASSED: Outputs = {0: "positive", 1: "negative"}  # of nodes that pass both sides on
BEHIND_MODEL: Outputs = {1: "positive", 2: "negative"}  # of those that pass the model on, too
PERHAPS_MODEL: Outputs = {0: "positive"}  # where nothing shows whether the model comes first
HELD: Outputs = {0: None}  # of nodes that hold both as texts, or take them from a pipe

# Text encoders: fields in the order in which they say the prompt.
T5_FIELDS = ("t5xxl", "qwen25_7b", "clip_l")
ENCODER_FIELDS = (
    "text",
    "text_g",
    "text_l",
    "prompt_g",
    "prompt_l",
    "clip_g",
    "clip_l",
    "t5xxl",
    "qwen25_7b",
    "bert",
    "mt5xl",
    "llama",
    "prompt",
    "user_prompt",
    "populated_text",
    "positive",
)


def fields_of(inputs: Mapping[str, object]) -> tuple[str, ...]:
    """The fields of a text encoder; smZ's has those of two kinds, one of which is on."""
    if "with_SDXL" not in inputs:
        return ENCODER_FIELDS
    return ("text_g", "text_l") if inputs["with_SDXL"] else ("text",)


def side_of_name(name: str) -> Side | None:
    """Which prompt an input holds, by its name: ``positive_A``, ``text_negative``."""
    found = None if OPTIONS.search(name) else SIDE.search(name)
    if found is None:
        return None
    return "positive" if found[1] else "negative"


def side_of_output(kind: str, slot: int, otherwise: Outputs | None) -> Side | Literal["pipe"] | None:
    """Which prompt an output of a node gives: a side, a pipe of both, or None where neither is known.

    `otherwise` says it for nodes that are not known; where it is None, all their outputs are alike.
    """
    outputs = next((outputs for pattern, outputs in OUTPUTS if pattern.search(kind)), otherwise)
    if outputs is None:
        return "pipe"
    return (outputs[slot] or "pipe") if slot in outputs else None
