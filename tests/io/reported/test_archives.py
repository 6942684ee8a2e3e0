"""Archives as public reports describe them: links, joined archives, sparse members, long texts, odd names."""

import os
import subprocess
import tarfile

import pytest
from prompt_files import look, png, prompts, put, tar, why

pytestmark = pytest.mark.usefixtures("here")


def link(name, target, kind=tarfile.LNKTYPE):
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, target
    return header, ""


def test_links_inside_an_archive_are_the_images_and_texts_they_lead_to():
    tar(
        "x.tar",
        [
            *(("s/a.png", None), ("s/a.txt", "a cat"), link("s/b.png", "s/a.png"), ("s/b.txt", "a dog")),
            *(link("s/c.png", "a.png", tarfile.SYMTYPE), link("s/c.txt", "s/a.txt"), link("d.png", "gone")),
        ],
    )
    assert prompts("x.tar") == {
        "x.tar/s/a.png": "a cat",
        "x.tar/s/b.png": "a dog",
        "x.tar/s/c.png": "a cat",
        "x.tar/d.png": "",
    }
    read = [item.read() for item in look("x.tar").items()]
    assert read == [png(0)] * 3 + ["is a link to gone, which is not there"]


def test_archives_with_the_same_names_that_were_joined_mix_no_texts():
    for word in ("one", "two"):
        tar(f"{word}.tar", [("0.png", None), ("0.txt", word), ("1.png", None)])
    put({"x.tar": open("one.tar", "rb").read() + open("two.tar", "rb").read()})
    found = prompts("x.tar")
    assert [found["x.tar/0.png"], found["x.tar/0.png (2)"]] == ["one", "two"]


def test_a_name_with_fewer_texts_than_images_gives_none_of_them_a_prompt():
    tar("x.tar", [("0.png", None), ("0.txt", "of which?"), ("0.png", None)])
    assert set(prompts("x.tar").values()) == {""}
    assert "another number of texts" in why("x.tar")["x.tar/0.png"]


def test_a_name_that_contains_what_macos_calls_its_folder_is_no_such_folder():
    tar("x.tar", [("my__MACOSX.png", None), ("__MACOSX/a.png", None), ("__MACOSX_2/b.png", None)])
    assert list(prompts("x.tar")) == ["x.tar/my__MACOSX.png", "x.tar/__MACOSX_2/b.png"]


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_a_member_that_is_stored_sparsely_is_a_row_with_its_reason(form):
    put({"a.png": png() + b"\0" * 2**20, "a.txt": "a cat"})
    with open("b.png", "wb") as file:
        file.write(png())
        file.truncate(2**20)
    packed = ["tar", "--sparse", f"--format={form}", "-cf", "x.tar", "b.png", "a.txt"]
    if subprocess.run(packed, capture_output=True).returncode:
        pytest.skip("this tar stores nothing sparsely")
    (item,) = look("x.tar").items()
    assert item.read() == png() + b"\0" * (2**20 - len(png())) or "stored sparsely" in item.read()


def test_a_text_that_is_too_long_to_be_a_caption_is_said():
    tar("x.tar", [("a.png", None), ("a.txt", "x" * (2**20 + 1)), ("b.png", None), ("b.json", "y" * 2**21)])
    assert set(prompts("x.tar").values()) == {""}
    assert all("longer than" in reason for reason in why("x.tar").values())


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_absolute_names_and_names_that_lead_up_are_only_names(form):
    long = "/".join(["d" * 90, "e" * 90, "f" * 60])
    names = [long, "/abs/a", "../up/b", "./c", "train.v1/a", "train.v2/a", "caf\u00e9"]
    tar("x.tar", [(f"{n}.{s}", None if s == "png" else n) for n in names for s in ("png", "txt")], form)
    assert list(prompts("x.tar").values()) == names
    assert all(isinstance(item.read(), bytes) for item in look("x.tar").items())


@pytest.mark.parametrize(
    "start", [b"PK\3\4", b"\x1f\x8b\x08", b"(\xb5/\xfd", b"<html>404</html>", b"Rar!\x1a"]
)
def test_another_kind_of_archive_that_is_called_tar_is_one_row_that_says_so(start):
    put({"x.tar": start + os.urandom(2000)})
    (item,) = look("x.tar").items()
    assert "not an uncompressed .tar" in item.read()
