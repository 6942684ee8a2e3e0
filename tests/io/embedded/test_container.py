"""The texts of an image file: found wherever they stand, decoded rightly or not at all, within bounds."""

import json
import os
import random
import zlib

import pytest
from marked_images import IMAGE, SETTINGS, chunk, png, prompt_of, with_chunks, with_comment
from PIL import Image

from rankkit.io.prompts.embedded.a1111 import parse_parameters
from rankkit.io.prompts.embedded.container import decode_comment, texts_in


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


@pytest.mark.parametrize(
    "content", [b"", b"parameters but no image", b"\x89PNG\r\n\x1a\nprompt", b"\xff\xd8\xff\xe1Exif"]
)
def test_a_file_that_cannot_be_opened_carries_no_prompt(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    assert texts_in(str(tmp_path / "a.png"), content) == []
    assert prompt_of(str(tmp_path / "gone.png")) is None


FORM = f"a cat\n{SETTINGS}".encode()


@pytest.mark.parametrize("behind", [False, True])
def test_a_chunk_far_from_either_end_of_the_file_is_found(tmp_path, behind):
    far = [
        chunk(b"caBX", os.urandom(100_000)),
        chunk(b"tEXt", b"parameters\0" + FORM),
        chunk(b"caBX", bytes(100_000)),
    ]
    assert prompt_of(with_chunks(tmp_path / "a.png", *far, behind=behind)) == "a cat"


def test_a_graph_behind_a_large_canvas_is_found_in_webp(tmp_path):
    encoder = {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat"}}
    sampler = {"class_type": "KSampler", "inputs": {"positive": ["1", 0]}}
    exif = Image.Exif()
    exif[0x010F] = "workflow:" + json.dumps({"nodes": [{"id": 1, "note": "x" * 200_000}]})
    exif[0x0110] = "prompt:" + json.dumps({"1": encoder, "2": sampler})
    IMAGE.save(tmp_path / "a.webp", exif=exif.tobytes())
    assert prompt_of(tmp_path / "a.webp") == "a cat"


HOSTILE = {
    "a text that unpacks to a gigabyte": chunk(b"zTXt", b"parameters\0\0" + zlib.compress(bytes(2**26), 9)),
    "the same, international": chunk(b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(bytes(2**26), 9)),
    "packed rubbish": chunk(b"zTXt", b"parameters\0\0rubbish"),
    "a chunk without an end": b"\x7f\xff\xff\xfftEXtparameters\0a cat",
    "a wrong sum": chunk(b"tEXt", b"parameters\0" + FORM)[:-4] + b"abcd",
    "cut EXIF": chunk(b"eXIf", b"MM\0*\0\0\0\x08\xff\xff"),
    "EXIF that points to itself": chunk(
        b"eXIf", b"MM\0*\0\0\0\x08\0\1\x87\x69\0\4\0\0\0\1\0\0\0\x08\0\0\0\x08"
    ),
    "no keyword": chunk(b"tEXt", b""),
    "JSON in itself, 100 000 deep": chunk(b"tEXt", b"prompt\0" + b'{"a":' * 100_000),
    "lists in themselves": chunk(b"tEXt", b"parameters\0" + b"[" * 100_000),
    "many small ones": b"".join(chunk(b"tEXt", b"k%d\0v" % i) for i in range(5000)),
}


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_chunks_end_in_no_prompt(tmp_path, name, behind):
    assert prompt_of(str(with_chunks(tmp_path / "a.png", HOSTILE[name], behind=behind))) is None


def test_a_truncated_file_still_has_the_texts_before_its_pixels(tmp_path):
    path = png(tmp_path / "a.png", image=Image.new("RGB", (300, 300)), parameters=FORM.decode())
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"IDAT") + 20])
    assert prompt_of(path) == "a cat"


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG"])
def test_a_file_cut_anywhere_raises_nothing(tmp_path, form):
    path = with_comment(tmp_path / "a.image", b"UNICODE\0" + FORM.decode().encode("utf-16-be"), form)
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        assert prompt_of(str(path)) in (None, "a cat")


@pytest.mark.parametrize("count", [300, pytest.param(20_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_files_with_bytes_changed_raise_nothing(tmp_path, form, count):
    path = tmp_path / "a.image"
    if form == "PNG":
        png(path, image=Image.new("RGB", (2, 2)), parameters=FORM.decode())
    else:
        with_comment(path, b"UNICODE\0" + FORM.decode().encode("utf-16-be"), form)
    whole = path.read_bytes()
    rng = random.Random(form)
    for _ in range(count):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data[: rng.choice([len(data), rng.randrange(len(data))])])
        assert prompt_of(path) is None or isinstance(prompt_of(path), str)
