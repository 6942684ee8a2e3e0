import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from rankkit.core import images
from rankkit.errors import BadSource, UsageError
from rankkit.io.prompts import survey
from rankkit.io.prompts.base import Item
from rankkit.registry.load import prepare
from rankkit.scoring.engine import score
from rankkit.scoring.ledger import Ledger

pytestmark = pytest.mark.usefixtures("here")

RED = Image.new("RGB", (4, 4), "red")


def encoded(form="PNG", image=RED, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def put(files):
    """Write files by relative path: images where the content is None, bytes, text, or JSON lines for a list
    of objects.
    """
    for name, content in files.items():
        folder = os.path.dirname(name)
        if folder:
            os.makedirs(folder, exist_ok=True)
        if content is None:
            content = encoded()
        elif isinstance(content, list):
            content = "".join(json.dumps(each) + "\n" for each in content)
        elif isinstance(content, dict):
            content = json.dumps(content)
        with open(name, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)


def look(*paths, **options):
    (found,) = survey(paths or ["pics"], **options)
    return found


def prompts(found):
    return {item.name: item.prompt for item in found.items()}


def groups(found):
    return {item.name: item.group for item in found.items()}


def source(found):
    """Where the prompts come from, in words."""
    return " and ".join(dict.fromkeys(item.source for item in found.items() if item.source))


def refusals(found):
    """Why bytes cannot be had, or do not decode, by name; None where all is well."""
    reasons = {}
    for item in found.items():
        data = item.read()
        reasons[item.name] = data if isinstance(data, str) else images.decode(data).error
    return reasons


# --- plain folders ---


def test_images_of_a_folder_are_found_folder_by_folder_sorted_and_hidden_ones_left_out():
    put(
        dict.fromkeys(
            [
                "pics/b.png",
                "pics/a.JPG",
                "pics/z/c.webp",
                "pics/.hidden.png",
                "pics/.git/d.png",
                "pics/__MACOSX/e.png",
            ]
        )
    )
    put({"pics/notes.txt": "no image", "pics/README": "none"})
    found = look()
    assert source(found) == ""
    assert list(prompts(found)) == ["pics/a.JPG", "pics/b.png", "pics/z/c.webp"]
    assert set(groups(found).values()) == {"pics"} and set(prompts(found).values()) == {""}
    assert list(found.items()) == list(found.items())


def test_names_are_paths_as_the_user_would_type_them(here):
    put({"pics/a.png": None})
    assert list(prompts(look("pics/"))) == list(prompts(look("./pics"))) == ["pics/a.png"]
    assert list(prompts(look(str(here / "pics")))) == [f"{here}/pics/a.png"]
    os.chdir("pics")
    assert list(prompts(look("."))) == ["a.png"] and groups(look("."))["a.png"] == "images"


def test_single_images_form_one_root_together():
    put(dict.fromkeys(["a.png", "x/b.png"]))
    found = look("a.png", "x/b.png", "a.png")
    assert prompts(found) == {"a.png": "", "x/b.png": ""} and set(groups(found).values()) == {"images"}
    assert refusals(found) == {"a.png": None, "x/b.png": None}
    assert [each.root.label for each in survey(["x", "a.png"])] == ["x", ""]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere", "nowhere: no such file or folder"),
        ("notes.txt", "not a folder, an image, a .tar or a manifest"),
        ("data.tar.gz", "not a folder, an image, a .tar or a manifest"),
        ("data.tgz", "not a folder"),
    ],
)
def test_a_path_that_is_nothing_we_read_is_a_usage_error(path, reason):
    put({"notes.txt": "x", "data.tar.gz": b"x", "data.tgz": b"x"})
    with pytest.raises(UsageError, match=reason):
        survey([path])


def test_prompts_that_are_not_there_are_a_usage_error():
    put({"pics/a.png": None})
    with pytest.raises(UsageError, match=r"missing\.jsonl: no such file or folder of prompts"):
        survey(["pics"], prompts="missing.jsonl")


def test_an_empty_folder_has_no_items():
    os.mkdir("pics")
    assert list(look().items()) == []


# --- awkward names and entries ---


@pytest.mark.parametrize(
    "name",
    [
        b"new\nline.png",
        b'quo"te.png',
        b"it's.png",
        "😀.png".encode(),
        b"caf\xe9.png",
        b"\xff\xfe.png",
        b"=1+1.png",
        b" .png",
        b"a,b.png",
    ],
)
def test_any_file_name_is_found_and_read(name):
    os.mkdir("pics")
    with open(b"pics/" + name, "wb") as file:
        file.write(encoded())
    (item,) = look().items()
    assert os.fsencode(item.name) == b"pics/" + name
    assert item.read() == encoded()


def test_folders_and_prompts_may_be_named_in_other_bytes():
    os.makedirs(b"pics/caf\xe9")
    for path, content in ((b"pics/caf\xe9/a.png", encoded()), (b"pics/caf\xe9/a.txt", b"a caf\xe9")):
        with open(path, "wb") as file:
            file.write(content)
    (item,) = look(os.fsdecode(b"pics/caf\xe9")).items()
    assert item.read() == encoded() and item.prompt == "a café"


@given(
    st.binary(min_size=1, max_size=8).filter(
        lambda name: not set(name) & set(b"/\0") and not name.startswith(b".")
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_any_bytes_are_a_file_name(here, name):
    folder = here / "any"
    folder.mkdir(exist_ok=True)
    path = os.path.join(os.fsencode(folder), name + b".png")
    with open(path, "wb") as file:
        file.write(b"x")
    try:
        (item,) = look("any").items()
        assert os.fsencode(item.path) == b"any/" + name + b".png" and item.read() == b"x"
    finally:
        os.unlink(path)


def test_a_folder_named_like_an_image_is_one_refusal_unless_it_holds_images():
    put({"pics/a.png": None, "pics/album.png/b.png": None})
    os.mkdir("pics/x.png")
    assert refusals(look()) == {
        "pics/a.png": None,
        "pics/album.png/b.png": None,
        "pics/x.png": "is a folder, not an image file",
    }


def test_broken_links_are_refusals_and_good_ones_are_followed():
    put(dict.fromkeys(["pics/a.png", "other/c.png"]))
    os.symlink("nowhere.png", "pics/broken.png")
    os.symlink("a.png", "pics/link.png")
    os.symlink("../other", "pics/linked")
    assert refusals(look()) == {
        "pics/a.png": None,
        "pics/broken.png": "is a broken symbolic link",
        "pics/link.png": None,
        "pics/linked/c.png": None,
    }


def test_links_that_lead_back_are_followed_once():
    put({"pics/sub/a.png": None})
    os.symlink("..", "pics/sub/up")
    os.symlink(".", "pics/self")
    assert list(prompts(look())) == ["pics/sub/a.png"]


def test_a_link_to_itself_costs_only_itself():
    put({"pics/a.png": None, "pics/sub/b.png": None})
    os.symlink("loop.png", "pics/loop.png")
    os.symlink("loop", "pics/loop")
    found = refusals(look())
    assert list(found) == ["pics/a.png", "pics/loop.png", "pics/sub/b.png"]
    assert found["pics/a.png"] is None and "cannot be read" in found["pics/loop.png"]


def as_nobody(code):
    """Run code as a user who may not read everything; root may."""
    drop = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n" if os.getuid() == 0 else ""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    program = textwrap.dedent(code)
    imports, _, rest = program.partition("# ---")
    return subprocess.run(
        [sys.executable, "-c", imports + drop + rest], env=environment, capture_output=True, text=True
    )


LISTING = """
    import json
    import encodings.utf_8_sig
    from rankkit.io.prompts import survey
    # ---
    (found,) = survey(["pics"])
    read = {item.name: item.read() for item in found.items()}
    print(json.dumps({name: each if isinstance(each, str) else None for name, each in read.items()}))
"""


@pytest.fixture
def locked(monkeypatch):
    """A folder that everyone may enter, and a function that takes rights away in it."""
    changed = []

    def lock(path):
        os.chmod(path, 0)
        changed.append(os.path.abspath(path))

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        monkeypatch.chdir(folder)
        yield lock
        for path in changed:
            os.chmod(path, 0o755)


def listing():
    run = as_nobody(LISTING)
    if "No module named" in run.stderr or "init_fs_encoding" in run.stderr:
        pytest.skip("a user without rights cannot read this Python installation")
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_a_folder_that_may_not_be_read_is_one_refusal_and_the_rest_is_found(locked):
    put(dict.fromkeys(["pics/a.png", "pics/locked/b.png", "pics/zoo/c.png"]))
    locked("pics/locked")
    assert listing() == {
        "pics/a.png": None,
        "pics/locked": "the folder cannot be read: Permission denied",
        "pics/zoo/c.png": None,
    }


def test_a_numbered_folder_that_may_not_be_read_is_one_refusal_too(locked):
    put(dict.fromkeys(["pics/00000/a.png", "pics/00001/b.png"]))
    locked("pics/00000")
    assert listing() == {
        "pics/00000": "the folder cannot be read: Permission denied",
        "pics/00001/b.png": None,
    }


def test_a_file_that_may_not_be_read_is_one_refusal(locked):
    put(dict.fromkeys(["pics/a.png", "pics/b.png"]))
    locked("pics/b.png")
    assert listing() == {"pics/a.png": None, "pics/b.png": "may not be read (permission denied)"}


def test_a_root_that_may_not_be_read_is_a_refusal(locked):
    put({"pics/a.png": None})
    locked("pics")
    assert listing() == {"pics/.": "the folder cannot be read: Permission denied"}


def test_a_link_into_a_folder_that_may_not_be_entered_costs_only_itself(locked):
    put(dict.fromkeys(["pics/a.png", "secret/b.png"]))
    os.symlink("../secret/b.png", "pics/b.png")
    locked("secret")
    assert listing() == {"pics/a.png": None, "pics/b.png": "may not be read (permission denied)"}


# --- manifests ---


@pytest.mark.parametrize("image", ["image", "image_path", "file_name", "path", "filename"])
@pytest.mark.parametrize("prompt", ["prompt", "text", "caption"])
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "json"])
def test_every_alias_is_read_in_every_format(image, prompt, suffix):
    put(dict.fromkeys(["pics/a.png", "pics/sub/b.png", "pics/c.png"]))
    records = [
        {image: "a.png", prompt: "a cat, 'sat'\nhere", "seed": 7},
        {image: "sub/b.png", prompt: "a dog", "seed": 8},
    ]
    write_manifest(f"list.{suffix}", records)
    found = look("pics", prompts=f"list.{suffix}")
    assert source(found) == "the manifest"
    assert prompts(found) == {"pics/a.png": "a cat, 'sat'\nhere", "pics/sub/b.png": "a dog", "pics/c.png": ""}
    assert [dict(item.metadata) for item in found.items()] == [
        {"seed": "7" if suffix == "csv" else 7},
        {"seed": "8" if suffix == "csv" else 8},
        {},
    ]
    assert refusals(found) == dict.fromkeys(prompts(found))


def write_manifest(name, records):
    if name.endswith(".jsonl"):
        put({name: records})
    elif name.endswith(".json"):
        put({name: json.dumps(records)})
    elif name.endswith(".parquet"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), name)
    else:
        import csv

        with open(name, "w", newline="", encoding="utf-8-sig") as file:
            table = csv.DictWriter(file, records[0])
            table.writeheader()
            table.writerows(records)


def test_a_manifest_alone_names_images_beside_it_and_nothing_else():
    put({"data/list.jsonl": [{"image": "a.png", "prompt": "a cat"}], "data/a.png": None, "data/b.png": None})
    found = look("data/list.jsonl")
    assert prompts(found) == {"data/a.png": "a cat"} and refusals(found) == {"data/a.png": None}


def test_a_json_map_or_a_map_of_objects_is_a_manifest():
    put(
        {
            "a.png": None,
            "b.png": None,
            "map.json": {"a.png": "a cat", "b.png": {"prompt": "a dog", "seed": 1}},
        }
    )
    found = look("map.json")
    assert prompts(found) == {"a.png": "a cat", "b.png": "a dog"}
    assert [dict(item.metadata) for item in found.items()] == [{}, {"seed": 1}]


def test_lists_and_pairs_of_images_are_one_item_each():
    names = ["a.png", "b.png", "c.png", "d.png", "e.png", "f.png"]
    put(dict.fromkeys(names))
    put({"m.jsonl": [
        {"images": ["a.png", "b.png"], "prompt": "p"},
        {"path1": "c.png", "path2": "d.png", "caption": "q"},
        {"chosen": "e.png", "rejected": "f.png", "prompt": "r"},
        {"image_path": ["a.png", "c.png"], "rank": [1, 2], "prompt": "s"},
        {"image": {"path": "b.png", "bytes": None}, "text": "t"},
    ]})  # fmt: skip
    found = look("m.jsonl")
    assert [(item.name, item.prompt) for item in found.items()] == [
        *(("a.png", "p"), ("b.png", "p"), ("c.png", "q"), ("d.png", "q"), ("e.png", "r"), ("f.png", "r")),
        *(("a.png", "s"), ("c.png", "s"), ("b.png", "t")),
    ]
    assert list(found.items())[6].metadata == {"rank": [1, 2]}


def test_images_of_a_list_in_parquet_are_items_too():
    put(dict.fromkeys(["a.png", "b.png"]))
    write_manifest("m.parquet", [{"images": ["a.png", "b.png"], "prompt": "p"}])
    assert prompts(look("m.parquet")) == {"a.png": "p", "b.png": "p"}


def test_images_with_one_prompt_compete_unless_the_manifest_names_groups():
    put(dict.fromkeys(["a.png", "b.png", "c.png", "d.png"]))
    put(
        {
            "m.jsonl": [{"image": name, "prompt": "a cat"} for name in ("a.png", "b.png")]
            + [
                {"image": "c.png", "prompt": "a cat", "group": "other"},
                {"image": "d.png", "prompt": "a cat", "id": 7},
                {"image": "e.png", "prompt": "a cat", "id": 7},
            ]
        }
    )
    found = groups(look("m.jsonl"))
    assert found["a.png"] == found["b.png"] and found["a.png"].startswith("a-cat-")
    assert (found["c.png"], found["d.png"]) == ("other", "7")


def test_an_image_is_sought_in_the_folder_then_beside_the_manifest():
    put(dict.fromkeys(["pics/a.png", "pics/b.png", "a.png"]))
    put(
        {
            "m.jsonl": [
                {"image": "a.png", "prompt": "in the folder"},
                {"image": "pics/b.png", "prompt": "beside"},
            ]
        }
    )
    assert prompts(look("pics", prompts="m.jsonl")) == {"pics/a.png": "in the folder", "pics/b.png": "beside"}


def test_an_absolute_path_into_the_folder_is_the_same_image_and_is_listed_once(here):
    put(dict.fromkeys(["pics/a.png", "pics/b.png"]))
    put({"m.jsonl": [{"image": str(here / "pics" / "a.png"), "prompt": "a cat"}]})
    assert [(item.name, item.prompt) for item in look("pics", prompts="m.jsonl").items()] == [
        ("pics/a.png", "a cat"),
        ("pics/b.png", ""),
    ]


def test_a_missing_file_is_a_refusal_that_names_it():
    put(
        {
            "pics/a.png": None,
            "m.jsonl": [{"image": "gone.png", "prompt": "x"}, {"image": "a.png", "prompt": "y"}],
        }
    )
    found = look("pics", prompts="m.jsonl")
    assert prompts(found) == {"pics/gone.png": "x", "pics/a.png": "y"}
    assert refusals(found) == {"pics/gone.png": "does not exist", "pics/a.png": None}


@pytest.mark.parametrize("kind", ["dots", "deep dots", "sibling"])
def test_a_file_outside_the_folder_is_refused_though_it_exists(here, kind):
    put(dict.fromkeys(["secret.png", "data/a.png", "data-secret/b.png"]))
    name = {
        "dots": "../secret.png",
        "deep dots": "sub/../../secret.png",
        "sibling": "../data-secret/b.png",
    }
    put({"data/m.jsonl": [{"image": name[kind], "prompt": "x"}, {"image": "./sub/../a.png", "prompt": "y"}]})
    outside, inside = look("data/m.jsonl").items()
    assert outside.read() == f"the manifest m.jsonl names a file outside its folder: {name[kind]}"
    assert (inside.name, inside.prompt) == ("data/a.png", "y") and isinstance(inside.read(), bytes)


@pytest.mark.parametrize("name", ["a\0b.png", "\ud800.png", "x" * 5000 + ".png", "folder.png"])
def test_a_name_that_cannot_be_a_file_is_a_refusal(name):
    os.mkdir("folder.png")
    put({"m.jsonl": [{"image": name, "prompt": "x"}]})
    (item,) = look("m.jsonl").items()
    assert isinstance(item.read(), str)
    ledger = Ledger()
    assert list(ledger.plan([item])) and isinstance(next(ledger.items())[1].read(), str)


def test_duplicate_rows_are_one_image_each():
    put(
        {
            "pics/a.png": None,
            "m.jsonl": [{"image": "a.png", "prompt": "x"}] * 3 + [{"image": "./a.png", "prompt": "x"}],
        }
    )
    assert len(list(Ledger().plan(look("pics", prompts="m.jsonl").items()))) == 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("m.jsonl", '{"image": "a.png"}\n\n{"image": \n', r"m\.jsonl, line 3: not JSON"),
        (
            "m.jsonl",
            '{"image": "a.png"}\n["a.png"]\n',
            r"m\.jsonl, line 2: an object like .* is expected, not \[\"a\.png\"\]",
        ),
        (
            "m.jsonl",
            '{"image": "a.png"}\n{"prompt": "x"}\n',
            r"m\.jsonl, line 2: names no image; its columns are prompt, expected one of",
        ),
        ("m.csv", "prompt,seed\nx,1\n", r"m\.csv, line 2: names no image; its columns are prompt, seed"),
        ("m.json", "[1]", r"m\.json, entry 1: an object"),
        ("m.json", "{", r"m\.json: not JSON"),
        ("m.parquet", "no parquet", r"m\.parquet: not a parquet file"),
        ("m.jsonl", '{"image": "赤いリンゴ.png"}\n'.encode("shift-jis"), r"m\.jsonl: cannot be read"),
        ("m.csv", "image,prompt\n赤いリンゴ.png,x\n".encode("shift-jis"), r"m\.csv: cannot be read"),
    ],
)
def test_a_bad_manifest_is_named_with_the_line(name, content, reason):
    put({name: content})
    with pytest.raises(BadSource, match=reason):
        list(look(name).items())


def test_a_manifest_of_another_suffix_is_refused_with_those_there_are():
    put({"pics/a.png": None, "prompts.yaml": "a.png: x"})
    with pytest.raises(
        BadSource,
        match=r"a manifest is a file in \.jsonl, .*, a \.txt file .*, or a folder of \.txt files",
    ):
        list(look("pics", prompts="prompts.yaml").items())


def test_a_prompt_may_be_long_html_or_a_formula():
    long = "=cmd|'/C calc'!A0 <script>alert(1)</script> " + "x" * 10_000
    put({"a.png": None, "m.jsonl": [{"image": "a.png", "prompt": long}]})
    (item,) = look("m.jsonl").items()
    assert item.prompt == long and len(item.group) < 60


# --- Hugging Face imagefolder ---


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_metadata_files_of_an_imagefolder_are_read(suffix):
    put(dict.fromkeys(["pics/a.png", "pics/b.png"]))
    write_manifest(f"pics/metadata.{suffix}", [{"file_name": "a.png", "text": "a cat"}])
    found = look()
    assert source(found) == "metadata files (imagefolder)"
    assert prompts(found) == {"pics/a.png": "a cat", "pics/b.png": ""}


def test_each_split_has_metadata_of_its_own_and_names_are_relative_to_it():
    put(dict.fromkeys(["pics/train/0.png", "pics/test/0.png", "pics/0.png"]))
    for split in ("train", "test"):
        put(
            {
                f"pics/{split}/metadata.jsonl": [
                    {"file_name": "0.png", "text": split},
                    {"file_name": "gone.png", "text": split},
                ]
            }
        )
    found = look()
    assert prompts(found) == {
        "pics/train/0.png": "train",
        "pics/train/gone.png": "train",
        "pics/test/0.png": "test",
        "pics/test/gone.png": "test",
        "pics/0.png": "",
    }
    assert refusals(found)["pics/train/gone.png"] == "does not exist" == refusals(found)["pics/test/gone.png"]


# --- GenEval ---


@pytest.mark.parametrize("digits", [4, 5])
def test_a_geneval_folder_has_one_group_per_prompt_with_its_clauses(digits):
    clauses = {
        "tag": "counting",
        "include": [{"class": "clock", "count": 2}],
        "prompt": "a photo of two clocks",
    }
    put(
        {
            "pics/00000/metadata.jsonl": clauses,
            "pics/00001/metadata.jsonl": {**clauses, "prompt": "a photo of a bench"},
        }
    )
    put(dict.fromkeys([f"pics/0000{i}/samples/{j:0{digits}}.png" for i in (0, 1) for j in (0, 1)]))
    put(
        {
            "pics/00000/grid.png": None,
            "pics/00000/samples/grid.png": None,
            f"pics/00000/samples/{1:0{digits}}.png.bak": encoded(),
        }
    )
    found = look()
    assert source(found) == "GenEval folders"
    names = [f"pics/00000/samples/{j:0{digits}}.png" for j in (0, 1)]
    assert list(prompts(found)) == [
        *names,
        *(name.replace("00000/s", "00001/s") for name in names),
    ]
    items = list(found.items())
    assert {item.group for item in items[:2]} == {"pics/00000"} and {item.group for item in items[2:]} == {
        "pics/00001"
    }
    assert items[0].metadata == clauses and items[0].prompt == "a photo of two clocks"
    assert set(refusals(found).values()) == {None}


@pytest.mark.parametrize("bad", ['{"prompt": ', "[1]", "null", "", "\xff", '{"prompt": "a", "prompt": "b"}'])
def test_a_geneval_folder_with_bad_metadata_is_refused_and_the_others_are_read(bad):
    put({"pics/00000/metadata.jsonl": bad, "pics/00001/metadata.jsonl": '{\n  "prompt": "a bench"\n}'})
    put(dict.fromkeys(["pics/00000/samples/0000.png", "pics/00001/samples/0000.png"]))
    found = look()
    assert source(found) == "GenEval folders"
    reasons = refusals(found)
    assert reasons["pics/00000/samples/0000.png"].startswith("00000/metadata.jsonl is not one JSON object")
    assert (
        reasons["pics/00001/samples/0000.png"] is None
        and prompts(found)["pics/00001/samples/0000.png"] == "a bench"
    )


def test_a_numbered_folder_without_metadata_gives_images_without_a_prompt():
    put(
        {
            "pics/00000/metadata.jsonl": {"prompt": "a bench"},
            "pics/00002/metadata.jsonl": {"prompt": "nothing sampled"},
        }
    )
    put(dict.fromkeys(["pics/00000/samples/0000.png", "pics/00001/samples/0000.png"]))
    assert prompts(look()) == {"pics/00000/samples/0000.png": "a bench", "pics/00001/samples/0000.png": ""}
    assert set(refusals(look()).values()) == {None}


def test_a_geneval_folder_that_may_not_be_read_is_one_refusal(locked):
    put({f"pics/{folder}/metadata.jsonl": {"prompt": "a bench"} for folder in ("00000", "00001", "00002")})
    put(dict.fromkeys([f"pics/{folder}/samples/0000.png" for folder in ("00000", "00001", "00002")]))
    locked("pics/00000")
    locked("pics/00001/samples")
    assert listing() == {
        "pics/00000": "the folder cannot be read: Permission denied",
        "pics/00001/samples": "the folder cannot be read: Permission denied",
        "pics/00002/samples/0000.png": None,
    }


# --- prompt.txt, sidecars, parallel text, JSON map ---


def test_each_folder_with_a_prompt_txt_is_a_group():
    put({"pics/one/prompt.txt": " a cat \n", "pics/two/prompt.txt": "a cat", "pics/empty/prompt.txt": ""})
    put(
        dict.fromkeys(
            ["pics/one/a.png", "pics/one/b.png", "pics/two/a.png", "pics/empty/a.png", "pics/a.png"]
        )
    )
    found = look()
    assert source(found) == "one prompt.txt per folder"
    assert {name: prompt for name, prompt in prompts(found).items() if prompt} == dict.fromkeys(
        ["pics/one/a.png", "pics/one/b.png", "pics/two/a.png"], "a cat"
    )
    assert groups(found) == {
        "pics/a.png": "pics",
        "pics/empty/a.png": "pics",
        "pics/one/a.png": "pics/one",
        "pics/one/b.png": "pics/one",
        "pics/two/a.png": "pics/two",
    }


def test_text_files_beside_images_are_their_prompts():
    put(dict.fromkeys(["pics/a.png", "pics/sub/b.jpg", "pics/c.png", "pics/d.tar.png"]))
    put({"pics/a.txt": b"\xef\xbb\xbfa cat\n", "pics/sub/b.caption": "a dog", "pics/d.tar.txt": "a tar"})
    found = look()
    assert source(found) == "text files beside the images"
    assert prompts(found) == {
        "pics/a.png": "a cat",
        "pics/c.png": "",
        "pics/d.tar.png": "a tar",
        "pics/sub/b.jpg": "a dog",
    }


def test_single_images_have_sidecars_too():
    put({"x/a.png": None, "x/a.txt": "a cat"})
    assert prompts(look("x/a.png")) == {"x/a.png": "a cat"}


@pytest.mark.parametrize("path", ["data/images", "data", "data/images/"])
def test_a_parallel_folder_of_text_files_is_found_beside_or_inside(path):
    put(
        {
            "data/images/a.png": None,
            "data/images/s/b.png": None,
            "data/prompts/a.txt": "a cat",
            "data/prompts/s/b.txt": "a dog",
        }
    )
    found = look(path)
    assert source(found) == "a parallel folder of text files"
    assert prompts(found) == {"data/images/a.png": "a cat", "data/images/s/b.png": "a dog"}


def test_a_parallel_folder_is_found_from_inside_the_images():
    put({"data/images/a.png": None, "data/texts/a.txt": "a cat"})
    os.chdir("data/images")
    assert prompts(look(".")) == {"a.png": "a cat"}


def test_prompts_may_be_a_folder_of_text_files_anywhere():
    put({"pics/a.png": None, "pics/b.png": None, "texts/a.txt": "a cat"})
    found = look("pics", prompts="texts")
    assert source(found) == "the manifest" and prompts(found) == {"pics/a.png": "a cat", "pics/b.png": ""}


@pytest.mark.parametrize("name", ["prompts.json", "captions.json"])
def test_a_json_map_in_the_folder_gives_prompts(name):
    put({"pics/a.png": None, "pics/b.png": None, f"pics/{name}": {"a.png": "a cat"}})
    found = look()
    assert source(found) == "a JSON map of files to prompts"
    assert prompts(found) == {"pics/a.png": "a cat", "pics/b.png": ""}


def test_the_prompts_of_a_part_of_diffusiondb_are_read():
    record = {"p": "a cat", "se": 38, "c": 7.0, "st": 50, "sa": "k_lms"}
    put({"part-000001/a.png": None, "part-000001/part-000001.json": {"a.png": record}})
    assert prompts(look(".")) == {"part-000001/a.png": "a cat"}


# --- webdataset ---


def archive(name, members, mode="w"):
    with tarfile.open(name, mode) as tar:
        for path, content in members:
            data = encoded() if content is None else content.encode() if isinstance(content, str) else content
            header = tarfile.TarInfo(path)
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))


def test_members_of_an_archive_that_share_a_key_are_one_sample():
    archive(
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
    assert source(found) == "a webdataset archive"
    assert prompts(found) == {
        "x.tar/s/0001.jpg": "a cat",
        "x.tar/s/0002.png": "a dog",
        "x.tar/s/0003.png": "",
        "x.tar/s/0004.png": "two",
        "x.tar/s/0004.seg.png": "two",
    }
    assert [item.metadata.get("seed") for item in found.items()] == [7, 8, None, None, None]
    assert refusals(found) == dict.fromkeys(prompts(found))
    assert next(iter(found.items())).read() == encoded("JPEG")


def test_a_folder_of_archives_is_read_archive_by_archive():
    os.mkdir("shards")
    for shard in ("b.tar", "a.tar"):
        archive(f"shards/{shard}", [("0.png", None), ("0.txt", shard)])
    assert prompts(look("shards")) == {"shards/a.tar/0.png": "a.tar", "shards/b.tar/0.png": "b.tar"}


def test_interleaved_members_lose_no_image():
    archive("x.tar", [("a.png", None), ("b.png", None), ("a.txt", "a cat"), ("b.txt", "a dog")])
    assert list(prompts(look("x.tar"))) == ["x.tar/a.png", "x.tar/b.png"]
    assert set(refusals(look("x.tar")).values()) == {None}


def test_a_truncated_archive_gives_what_it_holds_and_one_refusal_that_says_so():
    archive("x.tar", [(f"{i}.png", encoded(image=RED.resize((64, 64)))) for i in range(4)])
    with open("x.tar", "rb+") as file:
        file.truncate(3 * 1024 + 512 + 60)
    reasons = refusals(look("x.tar"))
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
    reasons = list(refusals(look("x.tar")).values())
    assert len(reasons) == 1 and "not an uncompressed .tar" in reasons[0]


def test_a_compressed_archive_says_that_it_must_be_uncompressed():
    archive("x.tar", [("a.png", None)], "w:gz")
    (reason,) = refusals(look("x.tar")).values()
    assert "is not an uncompressed .tar" in reason
    os.rename("x.tar", "x.tar.gz")
    with pytest.raises(UsageError, match=r"x\.tar\.gz: not a folder, an image, a \.tar"):
        survey(["x.tar.gz"])


# --- prompts inside the image files (each program's: tests/io/embedded) ---


def with_text(**chunks):
    info = PngImagePlugin.PngInfo()
    for key, value in chunks.items():
        info.add_text(key, value)
    return encoded(pnginfo=info)


def test_the_prompt_inside_an_image_file_is_its_own():
    put(
        {
            "pics/a.png": with_text(parameters="a cat <lora:x:1>\nSteps: 20, Sampler: Euler"),
            "pics/b.png": None,
        }
    )
    found = look()
    assert source(found) == "the prompts inside the image files"
    assert prompts(found) == {"pics/a.png": "a cat", "pics/b.png": ""}


# --- the order of trying, and what is said ---


LAYERS = [
    ("metadata files (imagefolder)", {"pics/metadata.jsonl": [{"file_name": "images/a.png", "text": "x"}]}),
    ("text files beside the images", {"pics/images/a.txt": "sidecar"}),
    ("one prompt.txt per folder", {"pics/images/prompt.txt": "of the folder"}),
    ("a parallel folder of text files", {"pics/prompts/a.txt": "parallel"}),
    ("a JSON map of files to prompts", {"pics/prompts.json": {"images/a.png": "map"}}),
    ("the prompts inside the image files", {"pics/images/a.png": with_text(parameters="inside")}),
]


@pytest.mark.parametrize("start", range(len(LAYERS)))
def test_sources_are_tried_in_the_order_of_the_contract(start):
    for _, files in LAYERS[:start:-1]:
        put(files)
    put({**LAYERS[-1][1], **LAYERS[start][1]})
    assert source(look()) == LAYERS[start][0]
    put({"m.jsonl": [{"image": "images/a.png", "prompt": "manifest"}]})
    assert source(look("pics", prompts="m.jsonl")) == "the manifest"


def test_a_source_that_knows_one_image_hides_nothing_from_the_others():
    put({"pics/a.png": with_text(parameters="inside a"), "pics/b.png": with_text(parameters="inside b")})
    put({"pics/c.png": None, "pics/a.txt": "beside a"})
    put({"pics/metadata.jsonl": [{"file_name": "c.png", "text": "listed"}]})
    assert prompts(look()) == {"pics/a.png": "beside a", "pics/b.png": "inside b", "pics/c.png": "listed"}


def test_the_given_prompt_fills_only_what_no_source_gave():
    put({"pics/a.png": None, "pics/b.png": None, "pics/a.txt": "a cat"})
    found = look()
    filled = list(found.items("anything"))
    assert [(item.name, item.prompt) for item in filled] == [
        ("pics/a.png", "a cat"),
        ("pics/b.png", "anything"),
    ]
    assert filled[1].group.startswith("pics/anything-") and filled[0].group != filled[1].group
    assert list(found.items(None)) == list(found.items())


def test_filling_keeps_groups_that_a_source_named():
    put({"pics/a.png": None, "m.jsonl": [{"image": "a.png", "group": "g"}]})
    found = look("pics", prompts="m.jsonl")
    assert [item.group for item in found.items("x")] == ["pics/g"]


def said(*paths, rankers=("contrast",), **options):
    lines = []
    prompts = options.pop("prompts", None)
    rankers = [prepare(name) for name in rankers]
    score(survey(paths or ["pics"], prompts=prompts), rankers, Path("s.jsonl"), say=lines.append, **options)
    return lines


def test_the_source_is_said_with_the_number_of_images_that_got_a_prompt():
    put(
        {
            "pics/a.png": None,
            "pics/b.png": None,
            "pics/c.png": None,
            "pics/a.txt": "a cat",
            "bare/d.png": None,
        }
    )
    assert said("pics", "bare") == [
        "pics: 3 images; prompts from text files beside the images for 1",
        "bare: 1 image; no prompts found",
    ]
    assert said("pics", prompt="a dog", overwrite=True)[0] == (
        "pics: 3 images; prompts from text files beside the images for 1, --prompt fills 2"
    )


def test_only_images_that_are_planned_are_counted_among_those_with_a_prompt():
    put({"pics/a.png": None, "pics/b.png": None, "pics/a.txt": "a cat", "pics/b.txt": "a dog"})
    put({"m.jsonl": [{"image": "a.png", "prompt": "x"}] * 2})
    assert said(limit=1)[0] == "pics: 1 image; prompts from text files beside the images for 1"
    assert said(prompts="m.jsonl", overwrite=True)[0] == (
        "pics: 2 images; prompts from the manifest for 1, from text files beside the images for 1"
    )


def test_an_undecodable_image_is_exactly_one_abstained_row():
    put(
        {
            "pics/a.png": None,
            "pics/broken.png": encoded()[:40],
            "pics/empty.png": b"",
            "pics/text.png": b"no image",
        }
    )
    os.mkdir("pics/folder.png")
    said()
    with open("s.jsonl") as file:
        rows = {row["image"]: row for row in map(json.loads, file)}
    assert len(rows) == 5
    for name, row in rows.items():
        assert (row["score"] is None) == (row["rank"] is None) == bool(row["error"]) == (name != "pics/a.png")
        assert row["of"] == 1


def test_what_had_to_be_changed_is_in_the_rows_details():
    put({"pics/a.png": encoded(image=RED.convert("RGBA")), "pics/b.png": None})
    said()
    with open("s.jsonl") as file:
        assert [json.loads(line)["details"] for line in file] == [
            {"image": {"mode": "RGBA", "alpha": "dropped"}},
            {},
        ]


def test_an_item_with_a_reason_is_never_opened():
    assert Item("/nowhere", "x", "g", error="because").read() == "because"


def test_a_manifest_that_tells_of_more_images_than_are_asked_for_adds_none_of_them():
    put(dict.fromkeys(["a/1.png", "a/2.png", "b/1.png"]))
    put({"m.jsonl": [{"image": f"{name}.png", "prompt": name} for name in ("a/1", "a/2", "b/1")]})
    assert [item.prompt for item in look("a", prompts="m.jsonl").items()] == ["a/1", "a/2"]
    assert [(item.name, item.prompt) for item in look("a/2.png", prompts="m.jsonl").items()] == [
        ("a/2.png", "a/2")
    ]
