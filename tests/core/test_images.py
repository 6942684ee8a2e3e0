import hashlib
import importlib.util
import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rankkit.core import images
from rankkit.core.images import decode, fingerprint, read, to_rgb
from rankkit.core.named import image_of, image_option, images_of
from rankkit.errors import BadOption

RNG = np.random.default_rng(0)
NOISE = Image.fromarray(RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8))


def encoded(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def pixels(image):
    return np.asarray(image)


def oriented(image, orientation, form="JPEG"):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(
        image, form, exif=exif.tobytes(), **({"quality": 100, "subsampling": 0} if form == "JPEG" else {})
    )


# --- what decodes ---


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
def test_a_plain_image_keeps_every_pixel_and_gets_no_note(form):
    found = decode(encoded(NOISE, form))
    assert found.error is None and found.image.mode == "RGB" and found.notes == {}
    assert (pixels(found.image) == pixels(NOISE)).all()


def test_a_jpeg_is_what_pillow_makes_of_it():
    data = encoded(NOISE, "JPEG")
    assert (pixels(decode(data).image) == pixels(Image.open(io.BytesIO(data)))).all()
    assert dict(decode(data).notes) == {}


def test_sixteen_bit_grey_is_scaled_so_that_65535_is_255_and_32768_is_128():
    values = np.array([[0, 255, 256, 32768, 65535]], dtype=np.uint16)
    grey = (
        b"P5 5 1 65535\n" + values.astype(">u2").tobytes()
    )  # PGM: earlier versions of Pillow cannot write it
    for data in (*(encoded(Image.fromarray(values), form) for form in ("PNG", "TIFF")), grey):
        found = decode(data)
        assert found.error is None and found.image.mode == "RGB"
        assert pixels(found.image)[0, :, 0].tolist() == [0, 0, 1, 128, 255]
        assert found.notes["mode"].startswith("I")


def test_big_endian_sixteen_bit_grey_is_scaled_alike():
    image = Image.frombytes("I;16B", (3, 1), struct.pack(">3H", 0, 32768, 65535))
    assert pixels(to_rgb(image))[0, :, 0].tolist() == [0, 128, 255]


def test_thirty_two_bit_pixels_have_no_agreed_range_and_are_refused_in_words():
    integers = Image.fromarray(np.array([[0, 70000]], dtype=np.int32))
    for image, word in ((integers, "integer"), (Image.new("F", (2, 2)), "float")):
        assert f"32-bit {word} pixels have no agreed range" in decode(encoded(image, "TIFF")).error
    assert decode(encoded(Image.fromarray(np.array([[-1]], dtype=np.int32)), "TIFF")).image is None


def test_cmyk_is_converted_and_said():
    found = decode(encoded(NOISE.convert("CMYK"), "JPEG"))
    assert found.image.mode == "RGB" and found.notes == {"mode": "CMYK"}


def test_a_palette_is_expanded_and_said():
    quantized = NOISE.quantize(8)
    found = decode(encoded(quantized))
    assert found.notes == {"mode": "P"}
    assert (pixels(found.image) == pixels(quantized.convert("RGB"))).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_dropped_not_blended_and_said(mode):
    image = Image.new(mode, (2, 2), (10, 20, 30, 0) if mode == "RGBA" else (10, 0))
    found = decode(encoded(image))
    assert found.notes == {"mode": mode, "alpha": "dropped"}
    assert pixels(found.image)[0, 0].tolist() == ([10, 20, 30] if mode == "RGBA" else [10, 10, 10])


def test_a_transparent_colour_is_said_too():
    found = decode(encoded(NOISE.quantize(4), "PNG", transparency=0))
    assert found.notes == {"mode": "P", "alpha": "dropped"}
    assert decode(encoded(NOISE, "PNG", transparency=(0, 0, 0))).notes == {"alpha": "dropped"}


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken_and_the_frames_are_counted(form):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "green", "blue")]
    options = {"lossless": True} if form == "WEBP" else {}
    found = decode(encoded(frames[0], form, save_all=True, append_images=frames[1:], **options))
    assert found.error is None and found.notes["frames"] == 3
    assert pixels(found.image)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("orientation", range(2, 9))
def test_exif_orientation_is_applied_and_said(orientation):
    corner = Image.new("RGB", (32, 16), "blue")
    corner.paste("red", (0, 0, 8, 8))
    found = decode(oriented(corner, orientation))
    assert found.notes == {"exif_orientation": orientation}
    assert found.image.size == ((16, 32) if orientation >= 5 else (32, 16))
    right, down = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)  # where the first pixel belongs
    x, y = (found.image.width - 3 if right else 2), (found.image.height - 3 if down else 2)
    red, _, blue = found.image.getpixel((x, y))
    assert red > 200 and blue < 60


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_orientation_is_read_from_other_formats_too(form):
    found = decode(oriented(NOISE, 6, form))
    assert found.image.size == (24, 32) and found.notes["exif_orientation"] == 6


def test_an_upright_image_gets_no_note_of_its_orientation():
    assert dict(decode(oriented(NOISE, 1)).notes) == {}


def test_what_comes_out_carries_no_metadata_that_a_wire_would_lose():
    found = decode(encoded(NOISE, "JPEG", dpi=(300, 300), comment=b"hello"))
    assert found.image.info == {} and not found.image.getexif() and type(found.image) is Image.Image


def test_an_image_of_one_pixel_decodes():
    assert decode(encoded(Image.new("RGB", (1, 1), (1, 2, 3)))).image.getpixel((0, 0)) == (1, 2, 3)


def test_damaged_exif_costs_nothing_but_the_orientation():
    found = decode(encoded(NOISE, "JPEG", exif=b"Exif\0\0garbage that is no TIFF header"))
    assert found.error is None and found.image.size == NOISE.size


def test_to_rgb_returns_an_rgb_image_itself():
    assert to_rgb(NOISE) is NOISE


# --- what does not ---


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty (0 bytes)"),
        (b"just some text\n", "not an image that Pillow can read (it begins with b'just some te')"),
        (b"\x89PNG\r\n\x1a\n", "cannot be decoded|not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (b"\xff\xd8\xff", "not an image|cannot be decoded"),
    ],
)
def test_what_is_no_image_says_so(data, reason):
    found = decode(data)
    assert found.image is None
    assert any(part in found.error for part in reason.split("|"))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_an_error_in_every_format(form, share):
    data = encoded(NOISE, form)
    found = decode(data[: int(len(data) * share)])
    assert found.image is None and found.error


def test_a_bomb_is_refused_before_it_is_unpacked_and_memory_stays_bounded():
    row = zlib.compress(bytes(20_000 // 8 + 1) * 20_000, 9)
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", row), (b"IEND", b""))
    )
    code = (
        "import resource, sys; from rankkit.core.images import decode\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "found = decode(sys.stdin.buffer.read())\n"
        "print(found.error, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], input=b"\x89PNG\r\n\x1a\n" + chunks, capture_output=True, check=True
    )
    reason, megabytes = run.stdout.decode().rsplit(" ", 1)
    assert "20000x20000 pixels is more than the limit" in reason or "too large to decode safely" in reason
    assert int(megabytes) < 64


@given(
    st.binary(max_size=200),
    st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"]),
    st.integers(0, 60),
)
@settings(deadline=None, max_examples=150)
def test_decode_never_raises_and_gives_an_image_or_a_reason(noise, form, keep):
    found = decode(encoded(NOISE, form)[:keep] + noise)
    assert (found.image is None) == bool(found.error)
    assert found.image is None or found.image.mode == "RGB"


@given(
    st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]), st.integers(0, 2000), st.integers(0, 255)
)
@settings(deadline=None, max_examples=150)
def test_a_flipped_byte_never_raises(form, place, value):
    data = bytearray(encoded(NOISE, form))
    data[place % len(data)] = value
    found = decode(bytes(data))
    assert (found.image is None) == bool(found.error)


# --- reading ---


def test_read_gives_the_bytes_or_the_reason(tmp_path):
    (tmp_path / "a.png").write_bytes(b"0123456789")
    assert read(tmp_path / "a.png") == b"0123456789"
    assert read(tmp_path / "a.png", (3, 4)) == b"3456"
    assert read(tmp_path / "none.png") == "does not exist"
    assert read(tmp_path) == "is a folder, not an image file"
    (tmp_path / "broken.png").symlink_to("nowhere.png")
    assert read(tmp_path / "broken.png") == "is a broken symbolic link"
    (tmp_path / "loop.png").symlink_to("loop.png")
    assert read(tmp_path / "loop.png").startswith("cannot be read")
    assert read("a\0b.png").startswith("cannot be read")
    os.mkfifo(tmp_path / "pipe.png")
    assert read(tmp_path / "pipe.png") == "is not a regular file"


def test_one_file_cannot_take_the_memory(tmp_path, monkeypatch):
    with open(tmp_path / "huge.png", "wb") as file:
        file.truncate(images.MAX_BYTES + 1)  # sparse: takes no room
    assert "more than the limit" in read(tmp_path / "huge.png")


def test_the_fingerprint_is_the_sha256_of_the_bytes():
    assert fingerprint(b"abc") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(("form", "package"), [("HEIF", "pillow_heif"), ("JXL", "pillow_jxl")])
def test_photographs_of_telephones_are_read_where_their_package_is_installed_and_named_where_not(
    form, package, monkeypatch
):
    module = pytest.importorskip(package)
    if form == "HEIF":
        module.register_heif_opener()
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(file, form)
    decoded = decode(file.getvalue())
    assert decoded.image is not None and decoded.image.size == (16, 16)
    assert decoded.image.getpixel((8, 8))[0] > 200
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(Image, "ID", [each for each in Image.ID if each not in ("HEIF", "JXL")])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = decode(file.getvalue()).error
    assert found is not None and "rankkit-t2i[images]" in found


def test_metadata_names_an_image_by_itself_or_by_its_path(tmp_path, monkeypatch):
    image = Image.new("RGB", (3, 2), "red")
    image.save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    for value in (image, "a.png", tmp_path / "a.png", image.convert("P")):
        found = image_of(value).image
        assert found is not None and found.mode == "RGB" and found.tobytes() == image.tobytes()
    found = image_of("a.png", folder=str(tmp_path)).image
    assert found is not None and found.size == (3, 2)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "neither an image nor the path of one"),
        ("", "neither an image nor the path of one"),
        ("gone.png", "'gone.png': does not exist"),
        ("a\0b.png", "does not exist"),
        ("s3://bucket/a.png", "is an address; download it"),
        ("data:image/png;base64,AAAA", "is an address"),
        ("text.png", "'text.png': not an image that Pillow can read"),
        (Image.new("F", (2, 2)), "an image of mode F"),
    ],
)
def test_what_metadata_names_and_is_no_image_here_is_refused_in_words(value, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.png").write_text("no image")
    found = image_of(value)
    assert found.image is None and reason in str(found.error)


def test_a_path_from_metadata_does_not_leave_the_folder_it_starts_at(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (2, 2)).save(tmp_path / "secret.png")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "secret.png")
    for name in ("../secret.png", str(tmp_path / "secret.png"), "link.png"):
        found = image_of(name, folder=str(tmp_path / "in"))
        assert found.image is None and "does not lie in the folder" in str(found.error)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n", "git lfs pull"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\n<!DOCTYPE html><html>404</html>", "web page"),
        (b'{"error": "denied"}', "JSON"),
        (b"\x1f\x8b\x08" + bytes(20), "gzip"),
        (b"PK\x03\x04" + bytes(20), "zip"),
        (b"\0\0\0\x20ftypisom" + bytes(20), "video"),
    ],
)
def test_a_file_that_is_no_image_is_called_what_it_is(data, says):
    assert says in str(decode(data).error)


def test_an_image_that_many_candidates_name_is_opened_once_and_none_is_made_up(tmp_path):
    Image.new("RGB", (2, 2), "red").save(tmp_path / "a.png")
    Image.new("RGB", (2, 2), "blue").save(tmp_path / "usual.png")
    seen = []

    def see(found):
        seen.append(found)
        return found.image.getpixel((0, 0)) if found.image else found.error

    named = [{"source": "a.png"}, {}, {"source": "a.png"}, {"source": ""}, {"source": "gone.png"}]
    usual = str(tmp_path / "usual.png")
    red, blue, again, empty, gone = images_of(named, "source", see, usual=usual, folder=str(tmp_path))
    assert (red, blue, again, empty) == ((255, 0, 0), (0, 0, 255), (255, 0, 0), (0, 0, 255))
    assert "gone.png" in gone and len(seen) == 3
    assert images_of([{}, {"other": "a.png"}], "source", see) == [None, None]


def test_an_option_that_names_no_image_is_refused_by_its_name(tmp_path):
    assert image_option("original", "") is None
    with pytest.raises(BadOption, match=r"original='.*gone.png'"):
        image_option("original", str(tmp_path / "gone.png"))
