"""Programs as their later versions write: each case names the version whose source was read."""

import json

import pytest
from marked_images import SETTINGS

from rankkit.io.prompts.embedded.source import read_texts
from rankkit.io.prompts.syntax import plain_words

FOOOCUS = (
    "cinematic still a fox, in snow . emotional\nNegative prompt: anime\nSteps: 30, Sampler: DPM++ 2M, "
    "Seed: 1, Size: 1152x896, CFG scale: 4, Model: x, Raw prompt: {}, Raw negative prompt: , "
    "Styles: \"['Fooocus V2']\", Performance: Speed, Version: Fooocus v2.5.5"
)


@pytest.mark.parametrize(
    ("raw", "typed"),
    [('"a fox, in snow"', "a fox, in snow"), ("a fox", "a fox"), (r'"a \"fox\""', 'a "fox"'), ("", "")],
)
def test_fooocus_in_the_form_of_a1111_gives_the_prompt_that_was_typed(raw, typed):
    """meta_parser.py of Fooocus 2.5.5 writes the words of the styles first, the typed prompt as a setting."""
    for place in ("parameters", "UserComment"):
        found = read_texts({place: FOOOCUS.format(raw), "fooocus_scheme": "a1111"})
        assert (found.program, found.prompt) == ("Fooocus", typed)


def test_what_other_programs_call_a_raw_prompt_is_left_alone():
    text = f"a fox, Raw prompt: a dog\nNegative prompt: x\n{SETTINGS}, Raw prompt: a cat, Version: v1.10.1"
    assert read_texts({"parameters": text}).prompt == "a fox, Raw prompt: a dog"


V4 = {
    "prompt": "a fox",
    "uc": "bad",
    "v4_prompt": {"caption": {"base_caption": "a fox", "char_captions": [{"char_caption": "girl"}]}},
}


@pytest.mark.parametrize(
    ("comment", "prompt"), [(V4, "a fox, girl"), ({"prompt": "a fox", "uc": ""}, "a fox")]
)
def test_novelai_in_webp_is_read_where_the_comment_stands_in_exif_itself(comment, prompt):
    """NovelAI's WebP: Software is the model, ImageDescription the prompt, UserComment the comment."""
    texts = {"Software": "NovelAI Diffusion V4.5 4BDE2A90", "ImageDescription": "a fox"}
    found = read_texts({**texts, "UserComment": json.dumps(comment)})
    assert (found.program, found.prompt) == ("NovelAI", prompt)
    assert read_texts(texts).prompt == "a fox"


@pytest.mark.parametrize("tag", ["<setvar[c]:red>", "<var:c>", "<preset:x>", "<repeat[3]:very>", "<trigger>"])
def test_a_tag_that_swarmui_fills_in_leaves_no_prompt_where_it_is_left(tag):
    """T2IPromptHandling of SwarmUI 0.9.7 replaces these before it generates."""
    found = read_texts({"parameters": json.dumps({"sui_image_params": {"prompt": f"a {tag} fox"}})})
    assert found.prompt is None and "template" in found.why


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("a (red fox)1.3 in (snow)-- today", "a red fox in snow today"),
        ('("a fox", "snow, ice").and(1, 0.5)', "a fox, snow, ice"),
        ('("a fox", "a dog").blend(0.7, 0.3) oil', "a fox, a dog oil"),
        ("a cat.swap(dog) on a mat", "a cat dog on a mat"),
        ("a field ADDCOMM\na fox ADDCOL\na dog", "a field a fox a dog"),
        ("version 2.5 of (a) plan", "version 2.5 of a plan"),
    ],
)
def test_syntax_of_compel_and_of_regions_is_no_word(written, words):
    """Compel 2 (InvokeAI), and Regional Prompter for A1111."""
    assert plain_words(written) == words
