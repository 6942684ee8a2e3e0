"""What each program writes into its images is read as its positive prompt, or not at all: files written as
the programs write them.
"""

import json
import os

import pytest
from PIL import Image, PngImagePlugin

from rankkit.io.prompts.embedded.a1111 import parse_parameters
from rankkit.io.prompts.embedded.container import decode_comment, texts_in
from rankkit.io.prompts.embedded.source import embedded_prompt, prompt_in, read_texts
from rankkit.io.prompts.syntax import plain_words

SETTINGS = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"
IMAGE = Image.new("RGB", (8, 8), "red")


def png(path, image=IMAGE, **chunks):
    info = PngImagePlugin.PngInfo()
    for key, value in chunks.items():
        info.add_itxt(key.replace("__", "-"), value)
    image.save(path, "PNG", pnginfo=info)
    return path


def with_comment(path, data, form="JPEG", image=IMAGE, where="exif"):
    exif = Image.Exif()
    if where == "exif":
        exif.get_ifd(0x8769)[0x9286] = data
    else:
        exif[0x9286] = data
    image.save(path, form, exif=exif.tobytes())
    return path


def prompt_of(path):
    found = embedded_prompt(str(path))
    return found.prompt if found else None


# --- A1111 and what writes like it ---

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
    ["Screenshot", "None", "", "a cat", '{"prompt": "a cat"}', "OLYMPUS DIGITAL CAMERA", "Steps to heaven"],
)
def test_a_text_without_the_form_is_no_prompt(text):
    assert parse_parameters(text) is None


@pytest.mark.parametrize("text", ["Screenshot", "OLYMPUS DIGITAL CAMERA", "None"])
def test_what_a_phone_or_camera_notes_is_no_prompt(tmp_path, text):
    assert embedded_prompt(str(with_comment(tmp_path / "a.jpg", b"ASCII\0\0\0" + text.encode()))) is None
    assert (
        embedded_prompt(str(png(tmp_path / "a.png", Description=text, Software=text, Comment=text))) is None
    )


def test_parameters_of_a_png_are_read_also_behind_the_pixels(tmp_path):
    path = png(tmp_path / "a.png", parameters=f"a cat\n{SETTINGS}")
    data = path.read_bytes()
    at = data.index(b"iTXt") - 4
    size = int.from_bytes(data[at : at + 4], "big") + 12
    chunk, rest = data[at : at + size], data[:at] + data[at + size :]
    end = rest.index(b"IEND") - 4
    (tmp_path / "behind.png").write_bytes(rest[:end] + chunk + rest[end:])
    assert prompt_of(path) == prompt_of(tmp_path / "behind.png") == "a cat"


UTF16 = [(b"UNICODE\0", coding) for coding in ("utf-16-be", "utf-16-le", "utf-16")]
CODINGS = [*UTF16, (b"UNICODE\0", "utf-8"), (b"ASCII\0\0\0", "utf-8"), (b"\0" * 8, "utf-8"), (b"", "utf-8")]


@pytest.mark.parametrize(
    "prompt",
    ["a cat", "“a red apple” on a table", "猫、雪の中", "кот на снегу", "한국어 고양이", "a café — “red”"],
)
@pytest.mark.parametrize(("code", "coding"), CODINGS)
def test_a_user_comment_is_read_in_the_coding_that_gives_text(code, coding, prompt):
    text = f"{prompt}\nNegative prompt: x\n{SETTINGS}"
    assert parse_parameters(decode_comment(code + text.encode(coding))).prompt == prompt


@pytest.mark.parametrize("coding", ["utf-16-be", "utf-16-le"])
@pytest.mark.parametrize(
    "text", ["雪の中を歩く白い狐、夕暮れの光", "белая лиса идёт по снегу", "눈 속을 걷는 하얀 여우", "a"]
)
def test_text_without_a_latin_letter_has_its_byte_order_too(coding, text):
    assert decode_comment(b"UNICODE\0" + text.encode(coding)) == text


def test_windows_1252_is_read_and_nothing_is_replaced():
    assert decode_comment(b"ASCII\0\0\0" + "a café — red".encode("cp1252")) == "a café — red"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("where", ["exif", "ifd0"])
def test_a_user_comment_is_found_in_every_format_also_behind_large_images(tmp_path, form, where):
    noise = Image.frombytes("RGB", (512, 512), os.urandom(512 * 512 * 3))
    data = b"UNICODE\0" + f"a cat\n{SETTINGS}".encode("utf-16-be")
    try:
        path = with_comment(tmp_path / "a.image", data, form, noise, where)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow cannot write {form}")
    assert prompt_of(path) == "a cat"


# --- programs with JSON of their own ---

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
        "Midjourney",
        {"Description": ("https://s.mj.run/x a fox::2 snow::1 --q 2 Job ID: 01234567-89ab")},
        "a fox snow",
    ),
]


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


@pytest.mark.parametrize(
    "content", [b"", b"parameters but no image", b"\x89PNG\r\n\x1a\nprompt", b"\xff\xd8\xff\xe1Exif"]
)
def test_a_file_that_cannot_be_opened_carries_no_prompt(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    assert texts_in(str(tmp_path / "a.png")) == {}
    assert prompt_in(str(tmp_path / "gone.png")) is None


# --- a program's syntax and plain words ---


@pytest.mark.parametrize(("written", "plain"), [
    ("a fox in snow, (fur:1.3) <lora:snow:0.8>", "a fox in snow, fur"),
    ("((masterpiece)), [[plain]], {{soft}}", "masterpiece, plain, soft"),
    ("a blue apple <lora:red-dress:0.8>", "a blue apple"), ("<lyco:x:1:0.5>a fox<hypernet:y:1>", "a fox"),
    (("a fox BREAK a "
        "dog"), "a fox a dog"), (("(a fox:1.2), "
            "(snow:-0.5)"), "a fox, snow"), (r"miku \(vocaloid\)", "miku (vocaloid)"),
    (("[fox:dog:0.5] in "
        "snow"), "fox dog in snow"), ("a [red:10] fox", "a red fox"), ("a [red::0.3] fox", "a red fox"),
    (("at 10:30, a "
        "fox"), "at 10:30, a fox"), ("a < b, c > d", "a < b, c > d"), ("two\nlines", "two lines"), ("", ""),
])  # fmt: skip
def test_plain_words_are_what_describes_the_image(written, plain):
    assert plain_words(written) == plain == plain_words(plain) or "(" in plain


def test_strengths_of_one_prompt_are_one_group_of_plain_words():
    assert len({plain_words(f"a red apple <lora:fruit:{strength}>") for strength in (0.2, 0.4, 0.8)}) == 1
