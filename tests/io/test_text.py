"""One rule makes text of bytes: a mark, UTF-8, UTF-16, Windows-1252; else a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankkit.io.text import decode_text, open_text

PROMPT = "“a café” — naß, 赤いリンゴ"


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_in_any_unicode_coding_is_read(coding):
    text, _ = decode_text(PROMPT.encode(coding))
    assert text == PROMPT


@pytest.mark.parametrize("coding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_read_in_its_own_byte_order(coding):
    assert decode_text("a red apple, 赤".encode(coding)) == ("a red apple, 赤", coding)


def test_windows_1252_is_read_and_named():
    assert decode_text("“a café” on a table".encode("cp1252")) == ("“a café” on a table", "cp1252")


@pytest.mark.parametrize("coding", ["shift-jis", "gbk", "cp1251", "koi8-r"])
def test_other_codings_are_refused_rather_than_read_as_windows_1252(coding):
    text = "赤いリンゴ on a table" if coding in ("shift-jis", "gbk") else "красное яблоко на столе"
    with pytest.raises(ValueError, match="save it as UTF-8"):
        decode_text(text.encode(coding))


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\xff\xd8\xff\xe0\0\x10JFIF", b"\0" * 40]
)
def test_an_image_is_no_text(data):
    with pytest.raises(ValueError):
        decode_text(data)


@given(st.binary(max_size=200))
def test_bytes_are_text_without_replacement_characters_or_a_reason(data):
    try:
        text, coding = decode_text(data)
    except ValueError:
        return
    assert text == data.decode(coding)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_what_is_written_in_utf_8_is_read_as_it_was(text):
    assert decode_text(text.encode())[0] == text.removeprefix("\ufeff")


def test_a_bad_byte_at_the_end_of_a_long_file_is_known_when_it_is_opened(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"red apple\n" * 200_000 + "é".encode("cp1252"))
    file, coding = open_text(tmp_path / "a.txt")
    with file:
        assert coding == "cp1252" and file.read().endswith("é")


@pytest.mark.parametrize(
    ("text", "coding"),
    [
        ("a cat, 猫", "shift-jis"),
        ("a photo of ёж in snow, very detailed", "cp1251"),
        ("kočka na střeše, žluté auto", "cp1250"),
        ("a house, żółty dom", "cp1250"),
        ("красное яблоко", "utf-16-be"),
        ("красное яблоко", "utf-16-le"),
    ],
)
def test_a_few_letters_of_another_coding_are_not_taken_for_windows_1252_nor_for_utf_8(text, coding):
    with pytest.raises(ValueError, match="save it as UTF-8|control characters"):
        decode_text(text.encode(coding))


@pytest.mark.parametrize(
    "text",
    [
        "ein süßes Kätzchen",
        "l’œuvre à 5 €",
        "“Não”, ¿qué? 20°C, 5 m²",
        "en grøn sø",
        "paral·lel",
        "a boat at Ærø",
    ],
)
def test_western_european_captions_are_still_read_as_windows_1252(text):
    assert decode_text(text.encode("cp1252")) == (text, "cp1252")


def test_a_pointer_of_git_lfs_is_not_the_text_of_the_file():
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"
    with pytest.raises(ValueError, match="git lfs pull"):
        decode_text(pointer)
