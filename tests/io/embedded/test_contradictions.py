"""A file that tells two prompts has none: which one a reader of it goes by is chance."""

import json

import pytest
from comfy_graphs import graph
from marked_images import IMAGE, SETTINGS, chunk, png, prompt_of, with_chunks, with_comment
from PIL import Image

from rankkit.io.prompts.embedded import embedded_prompt
from rankkit.io.prompts.embedded.source import read_texts

FOX, DOG = f"a fox\n{SETTINGS}", f"a dog\n{SETTINGS}"


def text(keyword, value, kind=b"tEXt"):
    between = {b"tEXt": b"\0", b"iTXt": b"\0\0\0\0\0"}[kind]
    return chunk(kind, keyword.encode() + between + value.encode())


def xmp(value):
    return f"<x:xmpmeta><dc:description>{value}</dc:description></x:xmpmeta>"


JOB = "--v 6 Job ID: 01234567-89ab"
TWICE = {
    "parameters": [text("parameters", FOX), text("parameters", DOG)],
    "parameters of two kinds": [text("parameters", FOX), text("parameters", DOG, b"iTXt")],
    "a chunk named prompt": [text("prompt", "a fox"), text("prompt", "a dog")],
    "NovelAI's comment": [
        text("Comment", '{"prompt": "a fox", "uc": ""}'),
        text("Comment", '{"prompt": "a dog", "uc": ""}'),
    ],
    "a description": [text("Description", f"a fox {JOB}"), text("Description", f"a dog {JOB}")],
    "XMP": [text("XML:com.adobe.xmp", xmp(each), b"iTXt") for each in (FOX, DOG)],
    "parameters and XMP": [text("parameters", FOX), text("XML:com.adobe.xmp", xmp(DOG), b"iTXt")],
}


OF_TWO_PROGRAMS = [
    {"parameters": FOX, "invokeai_metadata": '{"positive_prompt": "a dog"}'},
    {"parameters": FOX, "prompt": "a dog"},
    {"parameters": FOX, "Software": "NovelAI", "Comment": '{"prompt": "a dog", "uc": ""}'},
    {"parameters": FOX, "Description": f"a dog {JOB}"},
    {"parameters": '{"sui_image_params": {"prompt": "a fox"}}', "prompt": "a dog"},
    {"parameters": FOX, "generation_data": '{"prompt": "a dog", "baseModel": {}}'},
]


@pytest.mark.parametrize("texts", OF_TWO_PROGRAMS)
def test_chunks_of_two_programs_that_tell_different_prompts_give_none(tmp_path, texts):
    """What an upscaler kept of an image beside what it was made by."""
    assert prompt_of(png(tmp_path / "a.png", **texts)) is None
    same = {name: value.replace("a dog", "a fox") for name, value in texts.items()}
    assert prompt_of(png(tmp_path / "a.png", **same)) == "a fox"


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("name", TWICE)
def test_two_chunks_that_tell_different_prompts_give_none(tmp_path, name, behind):
    path = with_chunks(tmp_path / "a.png", *TWICE[name], behind=behind)
    found = embedded_prompt(str(path))
    assert found.prompt is None and "'a fox' and 'a dog'" in found.why


@pytest.mark.parametrize("name", TWICE)
def test_two_chunks_that_say_the_same_give_it(tmp_path, name):
    chunks = [
        chunk(each[4:8], each[8:-4].replace(b"a dog", b"a fox <lora:red-dog:1>")) for each in TWICE[name]
    ]
    assert prompt_of(with_chunks(tmp_path / "a.png", *chunks)) in ("a fox", "a fox <lora:red-dog:1>")


def test_a_chunk_of_the_same_name_that_tells_no_prompt_does_not_count(tmp_path):
    for order in (1, -1):
        chunks = [text("Comment", '{"prompt": "a fox", "uc": ""}'), text("Comment", "Created with GIMP")]
        assert prompt_of(with_chunks(tmp_path / "a.png", *chunks[::order])) == "a fox"


def test_a_graph_that_cannot_be_followed_is_not_outvoted_by_another_one(tmp_path):
    lost = '{"1": {"class_type": "SaveImage", "inputs": {"images": ["2", 0]}}}'
    for order in (1, -1):
        chunks = [text("prompt", "a fox"), text("prompt", lost)]
        found = embedded_prompt(str(with_chunks(tmp_path / "a.png", *chunks[::order])))
        assert found.prompt is None and "node 2" in found.why


def test_a_user_comment_that_contradicts_the_text_of_a_png_leaves_no_prompt(tmp_path):
    exif = Image.Exif()
    exif[0x8769] = {0x9286: b"ASCII\0\0\0" + DOG.encode()}
    image = IMAGE.copy()
    image.info["exif"] = exif.tobytes()
    for words, prompt in (("a fox", None), ("a dog", "a dog")):
        path = png(tmp_path / "a.png", image=image, parameters=f"{words}\n{SETTINGS}")
        data = path.read_bytes()
        at = data.index(b"IDAT") - 4
        path.write_bytes(data[:at] + chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")) + data[at:])
        assert prompt_of(path) == prompt


def segment(marker, body):
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


@pytest.mark.parametrize("order", [1, -1])
def test_two_segments_of_a_jpeg_that_tell_different_prompts_give_none(tmp_path, order):
    packets = [b"http://ns.adobe.com/xap/1.0/\0" + xmp(each).encode() for each in (FOX, DOG)]
    for marker, bodies in ((0xE1, packets), (0xFE, [FOX.encode(), DOG.encode()])):
        IMAGE.save(tmp_path / "a.jpg")
        data = (tmp_path / "a.jpg").read_bytes()
        both = b"".join(segment(marker, body) for body in bodies[::order])
        (tmp_path / "a.jpg").write_bytes(data[:2] + both + data[2:])
        found = embedded_prompt(str(tmp_path / "a.jpg"))
        assert found.prompt is None and "'a fox'" in found.why
        (tmp_path / "a.jpg").write_bytes(data[:2] + segment(marker, bodies[0]) * 2 + data[2:])
        assert prompt_of(tmp_path / "a.jpg") == "a fox"


def test_exif_twice_in_a_jpeg_is_read_both_times(tmp_path):
    both = []
    for words in (FOX, DOG):
        data = with_comment(tmp_path / "a.jpg", b"ASCII\0\0\0" + words.encode()).read_bytes()
        at = data.index(b"\xff\xe1")
        both.append(data[at : at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")])
    (tmp_path / "a.jpg").write_bytes(data.replace(both[1], both[0] + both[1]))
    assert prompt_of(tmp_path / "a.jpg") is None


@pytest.mark.parametrize(
    ("wrote", "prompt"),
    [
        ("a red apple", "a red apple"),
        ("(a red apple:1.2), <lora:x:1>, 8k", "a red apple"),
        ("A Red Apple on a table in the snow", "a red apple"),
        ("undefined", "a red apple"),
        ("blue birds over water", None),
    ],
)
def test_what_a_saving_node_wrote_beside_a_graph_may_add_words_and_not_tell_another_prompt(wrote, prompt):
    texts = {"prompt": json.dumps(graph()), "parameters": f"{wrote}\nNegative prompt: x\n{SETTINGS}"}
    found = read_texts(texts, "ComfyUI_00001_.png")
    assert found.prompt == prompt and (prompt or "wrote 'blue birds" in found.why)
