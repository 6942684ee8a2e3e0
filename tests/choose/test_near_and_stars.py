"""Near-duplicates that are left out, and ratings in sidecars."""

import io
import json
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from choices import chosen, images_and_rows, names, tree, write_rows
from PIL import Image
from score_runs import HERE, run, save_image

from rankkit.choose.select.image_files import ImageFiles
from rankkit.choose.select.near import BITS, NearDuplicates, signature
from rankkit.choose.select.stars import ratings, write
from rankkit.errors import RankkitError, UsageError

EXAMPLES = sorted((HERE / "examples").glob("*-[02].jpg"))


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- near-duplicates ---


def variant(image, kind):
    if kind == "jpeg":
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=30)
        return Image.open(buffer).convert("RGB")
    if kind == "half":
        return image.resize((image.width // 2, image.height // 2))
    return image.crop((3, 3, image.width - 3, image.height - 3))


def bits_apart(a, b):
    return int((signature(a).bits != signature(b).bits).sum())


@pytest.mark.parametrize("kind", ["jpeg", "half", "cropped"])
def test_a_copy_that_was_resized_recompressed_or_cropped_is_near(kind):
    for path in EXAMPLES:
        image = Image.open(path).convert("RGB")
        assert bits_apart(image, variant(image, kind)) <= BITS


def test_images_of_other_seeds_are_not_near():
    images = [Image.open(path).convert("RGB") for path in EXAMPLES]
    for i, image in enumerate(images):
        assert all(bits_apart(image, other) > BITS for other in images[:i])


def test_the_better_of_two_near_duplicates_stays_and_the_next_image_takes_the_place(place):
    image = Image.open(EXAMPLES[0]).convert("RGB")
    image.save("a.png")
    variant(image, "jpeg").save("b.jpg", quality=40)
    Image.open(EXAMPLES[3]).save("c.png")
    write_rows(place / "s.jsonl", {"a.png": 1.0, "b.jpg": 2.0, "c.png": 0.5})
    assert names(chosen("s.jsonl", top=2)) == ["b.jpg", "a.png"]
    found = chosen("s.jsonl", top=2, near=NearDuplicates(ImageFiles()))
    assert names(found) == ["b.jpg", "c.png"] and found.near == 1
    assert names(chosen("s.jsonl", top=2, near=NearDuplicates(ImageFiles(), 0))) == ["b.jpg", "a.png"]


def test_flat_images_of_different_colours_are_not_near(place):
    for name in ("red", "blue", "red-too"):
        Image.new("RGB", (32, 32), name.split("-")[0]).save(f"{name}.png")
    write_rows(place / "s.jsonl", {"red.png": 3.0, "blue.png": 2.0, "red-too.png": 1.0})
    assert names(chosen("s.jsonl", share=1.0, near=NearDuplicates(ImageFiles()))) == ["red.png", "blue.png"]


def test_the_same_image_may_be_the_best_of_two_parts(place):
    for folder in "xy":
        save_image(place / folder / "a.png", 1)
    write_rows(place / "s.jsonl", {"x/a.png": 1.0, "y/a.png": 1.0}, prompt=lambda name: name[0])
    assert len(chosen("s.jsonl", top=1, near=NearDuplicates(ImageFiles())).chosen) == 2


def test_an_image_that_cannot_be_read_is_near_to_none_and_counted(place):
    Path("a.png").write_bytes(b"no image")
    write_rows(place / "s.jsonl", {"a.png": 1.0, "gone.png": 2.0})
    near = NearDuplicates(ImageFiles())
    assert names(chosen("s.jsonl", top=2, near=near)) == ["gone.png", "a.png"] and near.unread == 2


# --- ratings ---


def rating_of(path):
    (found,) = ElementTree.fromstring(Path(path).read_text("utf-8").encode()).iter(
        "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
    )
    return int(found.attrib["{http://ns.adobe.com/xap/1.0/}Rating"])


def rate(stars=None, **rule):
    found = ratings(chosen("scores.jsonl", **rule), ImageFiles(), stars)
    write(found)
    return found


def test_a_rating_is_the_fifth_of_its_part_that_an_image_ranks_in(place):
    images_and_rows(place, {f"in/{n}.png": float(n // 2) for n in range(10)} | {"in/bad.png": None})
    images = tree(place / "in")
    rate(share=1.0)
    assert [rating_of(f"in/{n}.png.xmp") for n in range(10)] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert not Path("in/bad.png.xmp").exists()
    assert np.all([tree(place / "in")[name] == data for name, data in images.items()])


def test_stars_are_given_to_the_chosen_alone_and_written_anew(place):
    images_and_rows(place, {"in/a.png": 1.0, "in/b.png": 2.0})
    for stars in (5, 2):
        rate(stars, top=1)
        assert rating_of("in/b.png.xmp") == stars and not Path("in/a.png.xmp").exists()
    with pytest.raises(UsageError, match="0 to 5"):
        rate(6, top=1)


def test_a_sidecar_of_another_program_is_never_written_over(place):
    images_and_rows(place, {"in/a.png": 1.0, "in/b.png": 2.0})
    rate(3, share=1.0)
    edited = Path("in/a.png.xmp").read_text("utf-8").replace("</x:xmpmeta>", "<!-- history --></x:xmpmeta>")
    Path("in/a.png.xmp").write_text(edited, "utf-8")
    before = tree(place)
    with pytest.raises(RankkitError, match=r"a\.png\.xmp: a sidecar that rankkit did not write"):
        rate(4, share=1.0)
    assert tree(place) == before


def test_taking_ratings_back_removes_what_rankkit_wrote_and_nothing_else(place):
    images_and_rows(place, {"in/a.png": 1.0, "in/deep/b.png": 2.0, "in/c.png": 3.0})
    before = tree(place)
    rate(share=1.0)
    Path("in/c.png.xmp").write_text("<x:xmpmeta>develop settings</x:xmpmeta>")
    Path("in/raw.xmp").write_bytes(b"\xff\xfe")
    done = run("select", "--xmp", "--undo", "in", "--dry-run", cwd=place, text=True)
    assert "2 sidecars would be removed; --yes does it" in done.stderr and Path("in/a.png.xmp").exists()
    done = run("select", "--xmp", "--undo", "in", cwd=place, text=True)
    assert done.returncode == 0 and "2 sidecars not as rankkit writes them stay" in done.stderr
    Path("in/c.png.xmp").unlink()
    Path("in/raw.xmp").unlink()
    assert tree(place) == before
    for words, said in ((["--undo", "in"], "--xmp --undo"), (["--xmp", "--undo", "no"], "is no folder")):
        done = run("select", *words, cwd=place, text=True)
        assert done.returncode == 2 and said in done.stderr


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="no exiftool (libimage-exiftool-perl) is here")
def test_exiftool_reads_the_ratings_and_finds_nothing_wrong_with_the_sidecars(place):
    names = ["in/a.png", "in/b.jpg", "in/ü <&> \n.png", "in/c.png", "in/d.png"]
    images_and_rows(place, {name: float(at) for at, name in enumerate(names)})
    rate(share=1.0)
    command = ["exiftool", "-j", "-XMP:all", "-Validate", "-Warning", "-ext", "xmp", "in"]
    read = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert sorted(each["Rating"] for each in read) == [1, 2, 3, 4, 5]
    assert {each["SourceFile"]: each["Rating"] for each in read}["in/b.jpg.xmp"] == 2
    assert (
        not [each for each in read if "Warning" in each]
        and len({str(each["XMPToolkit"]) for each in read}) == 1
    )
    written_by_it = ["exiftool", "-q", "-Rating=4", "in/a.png.xmp"]
    subprocess.run(written_by_it, check=True)
    before = tree(place)
    with pytest.raises(RankkitError, match=r"a\.png\.xmp: a sidecar that rankkit did not write"):
        rate(1, share=1.0)
    assert tree(place) == before
