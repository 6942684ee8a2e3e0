"""Every kind of bad input in one folder and one run: each is handled, or one abstained row with its reason;
the rest is scored.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from score_runs import (
    ENVIRONMENT,
    as_anyone,
    bomb,
    by_name,
    command,
    folder,
    keyed,
    rows,
    run,
    save_image,
    score,
)

from rankkit.core.images import decode

pytestmark = pytest.mark.fault

PROMPTS = {
    "html": "<script>alert('x')</script> & \"quotes\"",
    "formula": '=HYPERLINK("http://x","y")',
    "minus": "-1+1|cmd",
    "long": "a red fox " * 1000,
    "lines": "two\r\nlines of\ra\ttext",  # alternative captions
    "emoji": "🦊 in the snow — ça va",
    "nul": "nothing \0 here",
    "none": "",
}


def animation(path: Path, frames: int = 3, **options) -> Path:
    images = [Image.new("RGB", (16, 12), (40 * i, 0, 200)) for i in range(frames)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=50, **options)
    return path


def everything(place: Path) -> tuple[set[str], dict[str, str]]:
    """Fill a folder. Returns the names that are to be scored, and those that are to abstain with a piece of
    the reason.
    """
    place.mkdir()
    fine = {
        "plain.png",
        "one.png",
        "cmyk.jpg",
        "deep.png",
        "deeper.tif",
        "palette.png",
        "clear.png",
        "glass.png",
        "grey.png",
    }
    fine |= {
        "moving.gif",
        "moving.webp",
        "turned.jpg",
        "spoilt-exif.jpg",
        "two\nlines.png",
        "q'uo\"te.png",
        "🦊 naïve.png",
        r"\xff\xfe.png",
    }
    fine |= {
        "linked.png",
        "UPPER.PNG",
        "wrong-suffix.png",
        "noise.jpg",
        "=1+1.png",
        "-r.png",
        "%s {0}.png",
        " .png",
    }
    save_image(place / "plain.png", 1)
    for seed, name in enumerate(
        ("two\nlines.png", "q'uo\"te.png", "🦊 naïve.png", "=1+1.png", "-r.png", "%s {0}.png", " .png")
    ):
        save_image(place / name, 20 + seed)
    with open(os.fsencode(place) + b"/\xff\xfe.png", "wb") as file:
        file.write((place / "plain.png").read_bytes())
    save_image(place / "one.png", 2, (1, 1))
    rgb = Image.open(save_image(place / "noise.jpg", 3, (64, 48)))
    rgb.convert("CMYK").save(place / "cmyk.jpg")
    wide = np.random.default_rng(4).integers(0, 65536, (12, 16)).astype(np.uint16)
    Image.fromarray(wide).save(place / "deep.png")
    Image.fromarray(wide).save(place / "deeper.tif")
    rgb.quantize(16).save(place / "palette.png", transparency=3)
    rgb.convert("L").save(place / "grey.png")
    rgb.convert("RGBA").save(place / "glass.png")
    Image.new("LA", (9, 9), (100, 0)).save(place / "clear.png")
    animation(place / "moving.gif")
    animation(place / "moving.webp")
    orientation = Image.Exif()
    orientation[0x0112] = 6
    rgb.save(place / "turned.jpg", exif=orientation)
    rgb.save(place / "spoilt-exif.jpg", exif=b"Exif\0\0MM\0*" + b"\xff" * 40)
    save_image(place / "UPPER.PNG", 5)
    save_image(place / "wrong.webp", 6).rename(place / "wrong-suffix.png")
    (place / "linked.png").symlink_to("plain.png")

    bad = {
        "text.png": "not an image",
        "zero.png": "empty (0 bytes)",
        "missing.png": "broken symbolic link",
        "folder.png": "is a folder",
    }
    bad |= {
        "half.png": "completely",
        "half.jpg": "completely",
        "half.gif": "completely",
        "half.webp": "",
        "head.jpg": "",
        "loop.png": "",
    }
    bad |= {
        "bomb.png": "limit",
        "pipe.png": "not a regular file",
        "svg.png": "not an image",
        "float.tif": "no agreed range",
    }
    (place / "text.png").write_text("this is no image")
    (place / "svg.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (place / "zero.png").touch()
    (place / "missing.png").symlink_to("nowhere.png")
    (place / "loop.png").symlink_to("loop.png")
    (place / "folder.png").mkdir()
    os.mkfifo(place / "pipe.png")
    Image.fromarray(np.random.default_rng(7).random((8, 8), dtype=np.float32)).save(place / "float.tif")
    for name, source in (
        ("half.png", "plain.png"),
        ("half.jpg", "noise.jpg"),
        ("half.webp", "wrong.webp"),
        ("half.gif", "still.gif"),
    ):
        if source.endswith(".gif") or not (place / source).exists():
            save_image(place / source, 8, (40, 40))
        data = (place / source).read_bytes()
        (place / name).write_bytes(data[: len(data) * 6 // 10])
    for leftover in ("wrong.webp", "still.gif"):
        (place / leftover).unlink()
    (place / "head.jpg").write_bytes((place / "noise.jpg").read_bytes()[:20])
    bomb(place / "bomb.png")
    return fine, bad


def test_all_bad_input_in_one_folder_and_one_run(tmp_path):
    fine, bad = everything(tmp_path / "in")
    for name, prompt in PROMPTS.items():
        save_image(tmp_path / "in" / f"p-{name}.png", 50)
        (tmp_path / "in" / f"p-{name}.txt").write_text(prompt, newline="")
    fine |= {f"p-{name}.png" for name in PROMPTS}
    for suffix in ("jsonl", "csv"):
        done = run(
            "score", "in", "-r", "sharpness", "-r", "colorfulness", "-o", f"out.{suffix}", cwd=tmp_path
        )
        assert done.returncode == 3 and b"Traceback" not in done.stderr
        found = keyed(rows(tmp_path / f"out.{suffix}"))
        assert len(found) == 2 * len(fine | bad.keys())
        mine = by_name([row for row in found.values() if row["ranker"] == "colorfulness"])
        assert {name for name, row in mine.items() if row["error"] is None} == fine
        for name, reason in bad.items():
            row = mine[name]
            assert (row["score"], row["rank"]) == (None, None) and reason in row["error"], name
        assert {name: mine[f"p-{name}.png"]["prompt"] for name in PROMPTS} == {
            name: text.partition("\r")[0].strip().replace("\0", "␀") for name, text in PROMPTS.items()
        }
        notes = {name: row["details"].get("image", {}) for name, row in mine.items()}
        assert notes["turned.jpg"] == {"exif_orientation": 6} and notes["moving.gif"]["frames"] == 3
        assert notes["cmyk.jpg"]["mode"] == "CMYK" and notes["glass.png"]["alpha"] == "dropped"
        again = run(
            "score", "in", "-r", "sharpness", "-r", "colorfulness", "-o", f"out.{suffix}", cwd=tmp_path
        )
        assert f"{2 * len(bad)} scored, {2 * len(fine)} known already" in again.stderr.decode()
        assert keyed(rows(tmp_path / f"out.{suffix}")) == found


def test_files_and_folders_without_permission_abstain(tmp_path):
    score(
        folder(tmp_path / "warm", "a"), "sharpness", tmp_path / "warm.jsonl"
    )  # what is imported late is imported by now
    with as_anyone() as place:
        folder(place / "in", "ab")
        (place / "in" / "a.png").chmod(0)
        (place / "in" / "closed").mkdir(mode=0)
        assert score(place / "in", "sharpness", place / "out.jsonl").abstained == 2
        found = by_name(rows(place / "out.jsonl"))
        (place / "in" / "closed").chmod(0o700)
    assert "permission denied" in found["a.png"]["error"] and "cannot be read" in found["closed"]["error"]
    assert (found["b.png"]["rank"], found["b.png"]["of"]) == (1, 1)


def peak_memory(*arguments, cwd: Path) -> int:
    """MiB that a command needed at most."""
    running = subprocess.Popen(
        command(*arguments), cwd=cwd, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10)


def test_memory_stays_bounded_whatever_a_file_claims_to_be(tmp_path):
    save_image(tmp_path / "small" / "a.png")
    save_image(tmp_path / "large" / "a.png")
    for i in range(6):
        bomb(tmp_path / "large" / f"{i}.png", 20_000)
        bomb(
            tmp_path / "large" / f"{i}{i}.png", 9_500
        )  # more than Pillow's limit, less than where Pillow itself refuses
    small = peak_memory("score", "small", "-r", "sharpness", "-o", "small.jsonl", cwd=tmp_path)
    large = peak_memory("score", "large", "-r", "sharpness", "-o", "large.jsonl", cwd=tmp_path)
    assert large < small + 50
    found = by_name(rows(tmp_path / "large.jsonl"))
    assert [name for name, row in found.items() if row["error"] is None] == ["a.png"]
    assert all(
        "pixels" in row["error"] and "limit of" in row["error"]
        for name, row in found.items()
        if name != "a.png"
    )


# --- manifests ---


def test_a_manifest_may_name_what_is_missing_outside_doubled_or_odd(tmp_path):
    folder(tmp_path / "set", "ab")
    save_image(tmp_path / "secret.png")
    names = [
        "a.png",
        "a.png",
        "b.png",
        "none.png",
        "../secret.png",
        str(tmp_path / "secret.png"),
        "a\0.png",
        "x" * 300 + ".png",
        ".",
    ]
    entries = [
        {"file_name": name, "prompt": "a red fox", "odd": float("nan"), "deep": {"er": [1]}} for name in names
    ]
    (tmp_path / "set" / "list.jsonl").write_text(
        "".join(json.dumps(entry) + "\n" for entry in entries) + "\n\n"
    )
    outcome = score(tmp_path / "set" / "list.jsonl", "sharpness", tmp_path / "out.jsonl")
    found = keyed(rows(tmp_path / "out.jsonl"))
    assert outcome.images == len(found) == len(set(names)) and outcome.scored == len(found)
    reasons = {row["image"].rsplit("/", 1)[-1]: row["error"] for row in found.values() if row["error"]}
    assert sum("outside" in reason for row in found.values() if (reason := row["error"])) == 1
    assert reasons["none.png"] == "does not exist"
    assert (
        len([row for row in found.values() if not row["error"]]) == 3
    )  # an absolute path is the user's word


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("list.jsonl", b"{'image': 1}\n", "line 1: not JSON"),
        ("list.jsonl", b'["a.png"]\n', "an object"),
        ("list.jsonl", b'{"picture": "a.png"}\n', "names no image"),
        ("list.jsonl", b"[" * 100_000 + b"\n", "nested too deeply"),
        ("list.csv", b"picture;prompt\na.png;x\n", "names no image"),
        ("list.csv", "image,prompt\n赤いリンゴ.png,x\n".encode("gbk"), "cannot be read"),
        ("list.csv", b"image,prompt\na.png,x, y\n", "line 2: it has 3 cells"),
        ("list.json", b'{"a.png": "x"', "not JSON"),
        ("list.json", b"3", "an object"),
        ("list.parquet", b"PAR1", "not a parquet file"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_one_message(tmp_path, name, data, says):
    folder(tmp_path, "ab")
    (tmp_path / name).write_bytes(data)
    done = run("score", name, "-r", "sharpness", cwd=tmp_path)
    talk = done.stderr.decode()
    assert done.returncode == 1 and "Traceback" not in talk and says in talk and name in talk


def test_an_archive_that_breaks_off_is_scored_as_far_as_it_goes(tmp_path):
    import tarfile

    folder(tmp_path / "in", "abc")
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for name in "abc":
            archive.add(tmp_path / "in" / f"{name}.png", f"{name}.png")
    data = (tmp_path / "set.tar").read_bytes()
    (tmp_path / "set.tar").write_bytes(data[: data.index(b"c.png") + 700])
    assert score(tmp_path / "set.tar", "sharpness", tmp_path / "out.jsonl").abstained >= 1
    assert {name for name, row in by_name(rows(tmp_path / "out.jsonl")).items() if row["error"] is None} == {
        "a.png",
        "b.png",
    }


def test_every_cut_of_a_file_is_an_error_or_the_whole_image(tmp_path):
    for name in ("x.png", "x.jpg", "x.webp", "x.gif", "x.bmp", "x.tif"):
        data = save_image(tmp_path / name, 1, (13, 11)).read_bytes()
        whole = decode(data).image
        for end in range(0, len(data), 7):
            found = decode(data[:end])
            assert (found.image is None) == bool(found.error)
            assert found.image is None or found.image.tobytes() == whole.tobytes(), (name, end, len(data))
