"""Webdataset archives, read in place: whole, broken off, joined, compressed."""

import gzip
import os
from pathlib import Path

import pytest
from prompt_files import RED, encoded, look, prompts, prompts_of, put, refusals_of, source_of, tar
from score_runs import score

from rankkit.errors import UsageError
from rankkit.io.prompts import survey

pytestmark = pytest.mark.usefixtures("here")


def test_members_of_an_archive_that_share_a_key_are_one_sample():
    tar(
        "x.tar",
        [
            *(("s/0001.jpg", encoded("JPEG")), ("s/0001.txt", " a cat "), ("s/0001.json", '{"seed": 7}')),
            *(("s/0002.json", '{"prompt": "a dog", "seed": 8}'), ("s/0002.png", None), ("s/0003.png", None)),
            *(
                ("s/0004.png", None),
                ("s/0004.seg.png", None),
                ("s/0004.txt", "two"),
                ("s/._0005.png", b"junk"),
            ),
        ],
    )
    found = look("x.tar")
    assert source_of(found) == "a webdataset archive"
    assert prompts_of(found) == {
        "x.tar/s/0001.jpg": "a cat",
        "x.tar/s/0002.png": "a dog",
        "x.tar/s/0003.png": "",
        "x.tar/s/0004.png": "two",
        "x.tar/s/0004.seg.png": "two",
    }
    assert [item.metadata.get("seed") for item in found.items()] == [7, 8, None, None, None]
    assert refusals_of(found) == dict.fromkeys(prompts_of(found))
    assert next(iter(found.items())).read() == encoded("JPEG")


def test_a_folder_of_archives_is_read_archive_by_archive():
    os.mkdir("shards")
    for shard in ("b.tar", "a.tar"):
        tar(f"shards/{shard}", [("0.png", None), ("0.txt", shard)])
    assert prompts_of(look("shards")) == {"shards/a.tar/0.png": "a.tar", "shards/b.tar/0.png": "b.tar"}


def test_interleaved_members_lose_no_image():
    tar("x.tar", [("a.png", None), ("b.png", None), ("a.txt", "a cat"), ("b.txt", "a dog")])
    assert list(prompts_of(look("x.tar"))) == ["x.tar/a.png", "x.tar/b.png"]
    assert set(refusals_of(look("x.tar")).values()) == {None}


def test_a_truncated_archive_gives_what_it_holds_and_one_refusal_that_says_so():
    tar("x.tar", [(f"{i}.png", encoded(image=RED.resize((64, 64)))) for i in range(4)])
    with open("x.tar", "rb+") as file:
        file.truncate(3 * 1024 + 512 + 60)
    reasons = refusals_of(look("x.tar"))
    assert [name for name, reason in reasons.items() if reason is None] == [
        "x.tar/0.png",
        "x.tar/1.png",
        "x.tar/2.png",
    ]
    assert any(reason and "the archive breaks off" in reason for reason in reasons.values())
    assert len([reason for reason in reasons.values() if reason]) <= 2


@pytest.mark.parametrize("content", [b"", b"not an archive at all " * 100])
def test_what_is_no_archive_is_one_refusal_or_nothing(content):
    put({"x.tar": content})
    reasons = list(refusals_of(look("x.tar")).values())
    assert len(reasons) == 1 and "not an uncompressed .tar" in reasons[0]


def test_a_compressed_archive_says_that_it_must_be_uncompressed():
    tar("x.tar", [("a.png", None)])
    Path("x.tar").write_bytes(gzip.compress(Path("x.tar").read_bytes()))
    (reason,) = refusals_of(look("x.tar")).values()
    assert "is not an uncompressed .tar" in reason
    os.rename("x.tar", "x.tar.gz")
    with pytest.raises(UsageError, match=r"x\.tar\.gz: not a folder, an image, a \.tar"):
        survey(["x.tar.gz"])


# --- as people's archives are ---


def test_dots_in_names_unsorted_members_and_upper_case_lose_no_prompt():
    tar("x.tar", [("22.05.png", None), ("22.06.PNG", None), ("22.05.txt", "a red apple"), ("22.06.TXT", "b")])
    assert prompts("x.tar") == {"x.tar/22.05.png": "a red apple", "x.tar/22.06.PNG": "b"}


def test_several_images_of_one_sample_share_its_prompt():
    tar("x.tar", [("0.input.jpg", None), ("0.output.jpg", None), ("0.json", '{"caption": "make it blue"}')])
    assert prompts("x.tar") == {"x.tar/0.input.jpg": "make it blue", "x.tar/0.output.jpg": "make it blue"}


def test_two_members_of_one_name_are_two_images():
    tar("x.tar", [("a.png", None), ("a.png", None), ("._a.png", "x"), ("__MACOSX/a.png", "x")])
    assert list(prompts("x.tar")) == ["x.tar/a.png", "x.tar/a.png (2)"]
    assert len({item.read() for item in look("x.tar").items()}) == 2


def test_archives_that_were_joined_are_read_to_the_end():
    for i in (0, 1):
        tar(f"{i}.tar", [(f"{i}.png", None), (f"{i}.txt", str(i))])
    put({"x.tar": open("0.tar", "rb").read() + open("1.tar", "rb").read()})
    assert prompts("x.tar") == {"x.tar/0.png": "0", "x.tar/1.png": "1"}


@pytest.mark.parametrize("keep", [512, 1024 + 100, 1536, 2048 + 200])
def test_an_archive_that_breaks_off_anywhere_has_a_row_that_says_so(keep):
    tar("x.tar", [("0.png", None), ("1.png", None), ("2.png", None)])
    os.truncate("x.tar", keep)
    (said,) = [item.error for item in look("x.tar").items() if item.error]
    assert "the archive breaks off" in said
    assert score("x.tar", "sharpness", "o.jsonl").abstained >= 1


def test_archives_below_a_folder_and_images_beside_them_are_all_found():
    tar("d/shards/0.tar", [("000.jpg", None), ("000.txt", "a red apple")])
    put({"d/preview.png": None})
    assert prompts() == {"shards/0.tar/000.jpg": "a red apple", "preview.png": ""}


def test_json_that_is_nested_without_end_costs_its_image_the_prompt_alone():
    tar("x.tar", [("a.png", None), ("a.json", '{"caption":' * 10**5), ("b.png", None), ("b.txt", "b")])
    assert prompts("x.tar") == {"x.tar/a.png": "", "x.tar/b.png": "b"}
