"""A1111's form: the prompt stands before the negative prompt and the settings; other text is none."""

import json

import pytest
from marked_images import SETTINGS, png, with_comment

from rankkit.io.prompts.embedded import embedded_prompt
from rankkit.io.prompts.embedded.a1111 import parse_parameters
from rankkit.io.prompts.embedded.source import read_texts

FORMS = {
    "usual": (f"a cat, sitting\nNegative prompt: blurry\n{SETTINGS}", "a cat, sitting", "blurry"),
    "without a negative prompt": (f"a cat\n{SETTINGS}", "a cat", None),
    "several lines": (f"a cat,\nsitting\nNegative prompt: x\ny\n{SETTINGS}", "a cat,\nsitting", "x\ny"),
    "an empty prompt": (f"\nNegative prompt: blurry\n{SETTINGS}", "", "blurry"),
    "settings alone": (SETTINGS, "", None),
    "Steps in the prompt": (f"a diagram of Steps: to take\n{SETTINGS}", "a diagram of Steps: to take", None),
    "lines run together by full stops": (
        f"a cat on a table,.Negative prompt: blurry.{SETTINGS}",
        "a cat on a table,",
        "blurry",
    ),
    "lines run together by spaces": (f"a cat Negative prompt: blurry {SETTINGS}", "a cat", "blurry"),
    "line breaks of Windows": (f"a cat\r\nNegative prompt: blurry\r\n{SETTINGS}", "a cat", "blurry"),
    "letters of several scripts": (f"ein Kätzchen 😀 猫\n{SETTINGS}", "ein Kätzchen 😀 猫", None),
    "without settings": ("a cat\nNegative prompt: blurry", "a cat", "blurry"),
    "settings that begin with the size": (f"a cat\nSize: 8x8, Seed: 1, {SETTINGS}", "a cat", None),
    "a detail with settings of its own": (
        f'a cat\nNegative prompt: x\n{SETTINGS}, ADetailer prompt: "face, Steps: 20, Sampler: y", Version: 1',
        "a cat",
        "x",
    ),
    "the same on one line": (
        f'a cat.Negative prompt: x.{SETTINGS}, ADetailer prompt: "face, Steps: 20, Sampler: y"',
        "a cat",
        "x",
    ),
    "templates behind the settings": (
        f"a cat\nNegative prompt: x\n{SETTINGS}\nTemplate: a __pet__\nNegative Template: x, Steps: 3, Go: 1",
        "a cat",
        "x",
    ),
    "Draw Things": (
        "a cat\n-ocean, [sad]\nSteps: 10, Sampler: DDIM, Guidance Scale: 10.0, Seed: 1",
        "a cat",
        "ocean, [sad]",
    ),
    "a hyphen before the last line": (f"a list:\n-a cat\n{SETTINGS}", "a list:\n-a cat", None),
    "a prompt with titles": (
        f"Subject: a cat, Style: photo, Light: soft\n{SETTINGS}",
        "Subject: a cat, Style: photo, Light: soft",
        None,
    ),
    "another case and another colon": (f"a cat\nnegative prompt：x\n{SETTINGS}", "a cat", "x"),
    "escaped line breaks": (f"a cat&#10;Negative prompt: x&#10;{SETTINGS}", "a cat", "x"),
    "AI Horde": (
        "a cat.Negative prompt: text, b&w.Steps: 50, Sampler: k_dpmpp_2s_a, CFG scale: 5, Seed: 1,Size: 8x8",
        "a cat",
        "text, b&w",
    ),
    "settings with a quoted template": (
        f'a cat\nNegative prompt: x\n{SETTINGS}, Template: "a {{cat|dog}}"',
        "a cat",
        "x",
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_prompt_stands_before_the_negative_prompt_and_the_settings(name):
    text, prompt, negative = FORMS[name]
    found = parse_parameters(text)
    assert (found.prompt, found.negative) == (prompt, negative)


@pytest.mark.parametrize(
    "text",
    [
        "Screenshot",
        "None",
        "",
        "a cat",
        '{"prompt": "a cat"}',
        "OLYMPUS DIGITAL CAMERA",
        "Steps to heaven",
        "Recipe. Steps: 3, Time: 20",
        "Recipe\nSteps: mix, bake",
    ],
)
def test_a_text_without_the_form_is_no_prompt(text):
    assert parse_parameters(text) is None


@pytest.mark.parametrize("text", ["Screenshot", "OLYMPUS DIGITAL CAMERA", "None"])
def test_what_a_phone_or_camera_notes_is_no_prompt(tmp_path, text):
    assert embedded_prompt(str(with_comment(tmp_path / "a.jpg", b"ASCII\0\0\0" + text.encode()))) is None
    assert (
        embedded_prompt(str(png(tmp_path / "a.png", Description=text, Software=text, Comment=text))) is None
    )


PIECES = (
    " ",
    "\t",
    "\n",
    " \n",
    "Steps: 1,",
    "\nSteps: 1,",
    "Negative prompt:",
    "\nNegative prompt:",
    "A: b, ",
    "&#10;",
)


@pytest.mark.parametrize("piece", PIECES)
def test_texts_of_many_pieces_end(piece):
    long = piece * 100_000
    for text in (long, f"a{long}b", f"a{long}\n{SETTINGS}", f"{long}Negative prompt: x"):
        for name in ("parameters", "UserComment"):
            found = read_texts({name: text})
            assert found is None or isinstance(found.prompt, str)


@pytest.mark.parametrize(
    "text",
    [
        "Postprocess upscale by: 4, Postprocess upscaler: R-ESRGAN 4x+",
        "Model: x, Seed: 3, Width: 512",
        "a cat | Negative prompt: x",
        "None",
    ],
)
def test_settings_alone_in_the_parameters_are_no_prompt(text):
    assert read_texts({"parameters": text}) is None
    assert read_texts({"parameters": "just a cat: sitting"}).prompt == "just a cat: sitting"


def test_the_form_is_read_from_xmp_too():
    item = f'<rdf:li xml:lang="x-default">a cat &amp; a dog&#10;Negative prompt: x&#10;{SETTINGS}</rdf:li>'
    packet = f"<x:xmpmeta><dc:description><rdf:Alt>{item}</rdf:Alt></dc:description></x:xmpmeta>"
    assert read_texts({"xmp": packet}).prompt == "a cat & a dog"
    assert read_texts({"xmp": packet.replace("</dc:description>", "")}) is None
    assert read_texts({"xmp": "<dc:description>a photo</dc:description>"}) is None


@pytest.mark.parametrize("word", ["unknown", "undefined ,,", "Positive prompt: undefined"])
def test_what_a_saving_node_writes_where_it_knows_no_prompt_is_none(word):
    for place in ("parameters", "UserComment"):
        found = read_texts({place: f"{word}\nNegative prompt: {word}\n{SETTINGS}"})
        assert found.prompt is None and "wrote" in found.why


GRAPH = {
    "1": {"class_type": "SaveImage", "inputs": {"images": ["2", 0]}},
    "2": {"class_type": "X", "inputs": {}},
}


def test_where_a_graph_tells_nothing_what_its_saving_node_wrote_beside_it_counts():
    def with_parameters(text):
        return read_texts({"prompt": json.dumps(GRAPH), "parameters": text})

    assert with_parameters(f"a cat\nNegative prompt: x\n{SETTINGS}").prompt == "a cat"
    assert with_parameters(f"\nNegative prompt: x\n{SETTINGS}").prompt is None
    assert with_parameters(f"blurry\nNegative prompt: blurry\n{SETTINGS}").prompt is None, "both sides alike"


XYZ = {
    "Prompt S/R": f'{SETTINGS}, Script: X/Y/Z plot, X Type: Prompt S/R, X Values: "fox,dog"',
    "Prompt order": f'{SETTINGS}, X Type: Prompt order, X Values: "fox, snow", Version: v1.10.1',
    "behind another": f"{SETTINGS}, Script: X/Y/Z plot, X Type: Steps, X Values: 8, Z Type: Styles",
    "SD.Next": f'{SETTINGS}, Script: XYZ Grid, Y Type: [Prompt] Search & replace, Y Values: "fox,dog"',
}


@pytest.mark.parametrize("name", XYZ)
def test_a_grid_whose_images_have_prompts_of_their_own_has_none(name):
    """xyz_grid.py of A1111 1.10, Forge and SD.Next writes the settings of the first image and the axes."""
    found = read_texts({"parameters": f"a fox in snow\nNegative prompt: x\n{XYZ[name]}"})
    assert found.prompt is None and "grid" in found.why


def test_a_grid_of_one_prompt_has_it():
    for more in (
        "",
        ', Script: X/Y/Z plot, X Type: Steps, X Values: "8,9", Y Type: Checkpoint name, Y Values: x',
    ):
        assert read_texts({"parameters": f"a fox, X Type: Prompt S/R\n{SETTINGS}{more}"}).prompt.startswith(
            "a fox"
        )
