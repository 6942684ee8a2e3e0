"""What ComfyUI's nodes do to texts, by the names of their classes and inputs."""

from __future__ import annotations

import re

# Nodes whose text is made at run time and stands nowhere in the graph.
WRITERS = re.compile(
    r"llm|gpt|ollama|llama|gemini|claude|florence|qwen.?\d*.?vl|vision|caption|interrogat|tagger|blip|joy|deepbooru|"
    r"translat|prompt.?gen|prompt.?task|agent|generat(?:or|e)|superprompt|magic.?prompt|enhanc|rewrit|expan[ds]|upsampl|describ|chat|api|"
    r"one.?button|flufferi|groq|mistral|deepseek|moondream|minicpm|internvl|img2txt|image.?(?:to|2).?(?:text|prompt)|random.?line",
    re.IGNORECASE,
)
# Inputs of nodes that ask a model for a text, or that make it of an image.
ASKS = re.compile(
    r"^(?:system|instruct|persona|temperature|max_\w*(?:tokens|length)|max_length|top_[pk]|min_p|api_key|provider|"
    r"sampling_mode|llm|vlm)|^(?:code|script|expression|formula|operation|images?|pixels|video|clip|model|llm_model|vision_model)$",
    re.IGNORECASE,
)
# Inputs that add to a text something that stands elsewhere.
ADDS = re.compile(
    r"^(?:prefix|suffix|prepend|append|pre_text|app_text|template|preset|trigger)", re.IGNORECASE
)
# Inputs that decide what a text node gives, where they are set, and those that are of no consequence to it.
DECIDES = re.compile(
    r"^(?:use_|case_|test_|search|match|compar|remove|split_string|strip_|convert|exclude|restrict|selected|technique|keyword|chars$"
    r"|index_change|postfix|condition|switch_condition|(?:value_)?if_)",
    re.IGNORECASE,
)
HARMLESS = re.compile(
    r"seed|width|height|steps|cfg|size|count|strength|signal|vae|lora|pipe|ctx|context", re.IGNORECASE
)
TEMPLATES = re.compile(
    r"^DP[A-Z]|dynamic.?prompt|wildcard|random|choice|noodle|\bnsp\b|(?<!multi)(?<!multi.)line", re.IGNORECASE
)
TEMPLATE_TEXT = re.compile(r"\{[^{}]*\|[^{}]*\}|__[\w/*.-]+__|<\[[^\[\]<>]+\]>")
LIST_TEXT = re.compile(r"\[(['\"]).*\1\]", re.DOTALL)  # how Python shows a list
TEMPLATE_MARK = re.compile(r"[{}|$]|__|<(?:random|wildcard)", re.IGNORECASE)
LINES = re.compile(r"random|choice|line", re.IGNORECASE)
# Inputs that tell which line of a text is meant, and encoders that make another text of theirs.
NUMBERS = re.compile(
    r"^(?:(?:start|line|current|row|text|prompt)_)?(?:index|line|row|frame|number)(?:_\w+)?$", re.IGNORECASE
)
REWRITES = re.compile(r"translat|enhanc|rewrit|magic.?prompt", re.IGNORECASE)
PUTS_IN = re.compile(
    r"^(?:prefix|suffix|prepend|append|pre_text|app_text|trigger|style|score|quality|rating|artist|add_)",
    re.IGNORECASE,
)
PLACES = re.compile(r"[{%$]([^\W\d]\w*)")
STYLERS = re.compile(r"styler|style.?conditioner|styles?.?selector", re.IGNORECASE)
NO_STYLE = ("", "base", "none", "no style", "no_style", "false", "[]")
CHANGES = re.compile(
    r"regex|extract|slice|split|truncat|format|pars|remov|filter|shuffl|sort|eval|express|json|length|count|dedup|"
    r"plot|token|prompt.?build|manipul|(?:text|string).?(?:pad|upper|lower|title|capital|swap|center|[lr]?just|[lr]?strip|encode|zfill)|"
    r"prompt.?l(?:ine|ist)|to.?list|list$|cycle|iterat|sequenc|revers|escape|insert|fill|template|substitut|inject",
    re.IGNORECASE,
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
    "INPUT",
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
JOINED = re.compile(r"^(?:(?:string|text|str|prompt|input|s|part)_?(?:\d+|[a-h])|[a-h])$", re.IGNORECASE)
# What nodes without an input for it put between the texts they join.
JOINED_BY = {
    "JWStringConcat": "",
    "StringConcatenate": "",  # before it had a delimiter
    "ConcatStringSingle": "",
    "LayerUtility: TextJoin": ", ",
    "PromptComposerMerge": ", ",
}
DELIMITERS = ("delimiter", "separator", "sep", "concat_str", "joiner")
REPLACERS = re.compile(r"replace", re.IGNORECASE)

# Nodes whose outputs give different fields, by output.
FIELDS: tuple[tuple[re.Pattern[str], dict[int, str]], ...] = (
    (re.compile(r"^Text String$"), {0: "text", 1: "text_b", 2: "text_c", 3: "text_d"}),
    (re.compile(r"^CustomCombo$"), {0: "choice"}),
    (re.compile(r"^Power Prompt \(rgthree\)"), {3: "prompt"}),
    (re.compile(r"^Power Prompt - Simple"), {1: "prompt"}),
    (re.compile(r"^SDXL Power Prompt - Positive"), {3: "prompt_g", 4: "prompt_l"}),
    (re.compile(r"^SDXL Power Prompt - Simple"), {1: "prompt_g", 2: "prompt_l"}),
    (re.compile(r"^ImpactWildcardEncode"), {3: "populated_text"}),
    (re.compile(r"^Prompt \(LoraManager\)|^PromptManager$"), {1: "text"}),
    (re.compile(r"^ttN text3BOX"), {0: "text1", 1: "text2", 2: "text3"}),
    (re.compile(r"^ttN text7BOX"), {slot: f"text{slot + 1}" for slot in range(7)}),
    (re.compile(r"w/Text \(WLSH\)"), {2: "positive_text", 3: "negative_text"}),
)
# Nodes that join their texts in an output that is not the first.
JOINED_OUTPUT = {"ttN text3BOX_3WAYconcat": 6, "ttN text7BOX_concat": 7}


def field_of_output(kind: str, slot: int) -> str | None:
    """The field that an output of a node gives, where outputs give different ones."""
    return next((fields[slot] for pattern, fields in FIELDS if pattern.search(kind) and slot in fields), None)
