"""What ComfyUI's nodes mean, its own and those of common extensions: which input leads back to the image, the
prompt, the text.
"""

from __future__ import annotations

import re

SAVERS = re.compile(r"save|preview|output|writer", re.IGNORECASE)
DECODERS = re.compile(r"vae.?decode|decode.?vae", re.IGNORECASE)
SAMPLERS = re.compile(r"sampler", re.IGNORECASE)
NOT_SAMPLERS = re.compile(r"sampler(?:select|custom_?noise)|^select|upscale|detailer", re.IGNORECASE)
ENCODERS = re.compile(
    r"text.?encode|clip.?encode|wildcard.?encode|prompt.?encode|encode.?prompt|conditioning.*prompt|power.?prompt",
    re.IGNORECASE,
)
ZERO = re.compile(r"zero.?out", re.IGNORECASE)
LOADED = re.compile(r"load.?image|image.?load|image.?from|clipboard|webcam", re.IGNORECASE)

# Nodes whose text is made at run time and stands nowhere in the graph.
WRITERS = re.compile(
    r"llm|gpt|ollama|llama|gemini|claude|florence|qwen.?vl|vision|caption|interrogat|tagger|blip|joy|deepbooru|translate|"
    r"prompt.?gen|generator|superprompt|magic.?prompt|api",
    re.IGNORECASE,
)
TEMPLATES = re.compile(r"^DP[A-Z]|dynamic.?prompt|wildcard|random", re.IGNORECASE)
TEMPLATE_TEXT = re.compile(r"\{[^{}]*\|[^{}]*\}|__[\w/*.-]+__")

IMAGE_INPUTS = ("images", "image", "pixels", "input_image", "original_image", "img", "IMAGE")
LATENT_INPUTS = ("samples", "latent_image", "latent", "latents", "samples_to", "LATENT")
PIPES = ("pipe", "basic_pipe", "context", "base_ctx", "ctx", "sdxl_tuple")

# Text encoders: fields in the order in which they say the prompt.
FLUX_FIELDS = ("t5xxl", "clip_l")
ENCODER_FIELDS = (
    "text",
    "text_g",
    "text_l",
    "clip_g",
    "clip_l",
    "t5xxl",
    "bert",
    "mt5xl",
    "llama",
    "prompt",
    "populated_text",
    "positive",
)

# Fields that hold a text, in nodes that pass one on.
TEXT_FIELDS = (
    "text",
    "string",
    "value",
    "prompt",
    "positive",
    "text_positive",
    "positive_prompt",
    "prompt_text",
    "populated_text",
    "Text",
    "STRING",
    "input",
    "input_text",
    "text_input",
    "opt_text",
    "any",
    "anything",
    "source",
    "str",
    "",
)
SHOWN = re.compile(r"show|display|preview", re.IGNORECASE)
JOINS = re.compile(r"concat|join|combine|append|merge|string.?function|text.?multi", re.IGNORECASE)
JOINED = re.compile(r"^(?:string|text|str|prompt|input|s)_?(?:\d+|[a-h])$", re.IGNORECASE)
DELIMITERS = ("delimiter", "separator", "sep", "concat_str", "joiner")
SWITCHES = re.compile(r"switch|select|choice|index|if", re.IGNORECASE)
REPLACERS = re.compile(r"replace", re.IGNORECASE)
