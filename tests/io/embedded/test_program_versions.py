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


def test_mflux_has_no_prompt_where_its_text_may_be_an_instruction_to_edit():
    """generated_image.py of mflux 0.9.6; an image that it began with has a strength."""
    made = {"mflux_version": "0.9.6", "base_model": "None", "prompt": "a fox", "image_path": None}
    edit = {**made, "image_path": "/home/me/cat.png", "image_strength": None}
    begun = {**edit, "image_strength": 0.4}
    texts = [{"UserComment": json.dumps(each)} for each in (made, begun, edit)]
    assert [read_texts(each).prompt for each in texts] == ["a fox", "a fox", None]
    assert "instruction to edit" in read_texts(texts[-1]).why


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


def test_what_swarmui_draws_by_a_preset_is_absent_and_a_part_for_the_decoder_is_no_part_of_the_image():
    """`p` is short for a preset, `pixeldecoder` begins a part of its own, in T2IPromptHandling of 2026."""
    parameters = [json.dumps({"sui_image_params": {"prompt": text}}) for text in TAGGED]
    found = [read_texts({"parameters": each}) for each in parameters]
    assert [each.prompt for each in found] == [None, "a fox"]


TAGGED = ("a fox <p:cinematic>", "a fox<pixeldecoder//cid=3>sharp")


@pytest.mark.parametrize(
    ("written", "prompt"),
    [
        ("a fox —the red one— in snow —ar 3:2 --v 7", "a fox —the red one— in snow"),
        ('a sign that says "Job ID: 12345678" --v 6', 'a sign that says "Job ID: 12345678"'),
    ],
)
def test_a_dash_or_such_words_in_a_prompt_of_midjourney_do_not_cut_it(written, prompt):
    found = read_texts({"Description": f"{written} Job ID: a7421d2f-b262-44f9-977c-ac23e9c7d3e3"})
    assert (found.program, found.prompt) == ("Midjourney", prompt)


def test_a_last_line_of_settings_may_begin_with_any_of_them():
    line = "App: x, Pipeline: y, Steps: 20, Sampler: Euler a, Seed: 1"
    assert read_texts({"parameters": f"a fox\n{line}"}).prompt == "a fox"
    assert read_texts({"parameters": "Photo of: a fox, Steps: 20, Sampler: x"}).prompt == "Photo of: a fox,"


def test_a_text_of_xmp_in_a_section_of_its_own_is_read_as_it_stands():
    """blobUtils.ts of ArtBot writes the UserComment into XMP as CDATA, and the same text into the chunks."""
    text = f"a fox & a <lora:x:1> dog\nNegative prompt: bad\n{SETTINGS}"
    xmp = f"<x:xmpmeta><exif:UserComment><![CDATA[{text}]]></exif:UserComment></x:xmpmeta>"
    assert read_texts({"xmp": xmp}).prompt == "a fox & a <lora:x:1> dog"


def test_a_grid_of_images_that_were_drawn_from_a_template_has_no_prompt():
    """create_infotext of SD.Next: a template behind the negative prompt, `Grid` among the settings."""
    text = f"a fox\nNegative prompt: bad\nTemplate: a __animal__\n{SETTINGS}"
    assert read_texts({"parameters": text}).prompt == "a fox"
    assert read_texts({"parameters": f"{text}, Grid: 2"}).prompt is None
