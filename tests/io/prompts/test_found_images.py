"""Which images a folder holds, what they are called, and what stands in the way: links, names, rights."""

import json
import os
import subprocess
import sys
import tempfile
import textwrap

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prompt_files import encoded, groups_of, look, prompts_of, put, refusals_of, source_of

from rankkit.errors import UsageError
from rankkit.io.prompts import survey

pytestmark = pytest.mark.usefixtures("here")


# --- plain folders ---


def test_images_of_a_folder_are_found_folder_by_folder_sorted_and_hidden_ones_left_out():
    put(
        dict.fromkeys(
            [
                "d/b.png",
                "d/a.JPG",
                "d/z/c.webp",
                "d/.hidden.png",
                "d/.git/d.png",
                "d/__MACOSX/e.png",
            ]
        )
    )
    put({"d/notes.txt": "no image", "d/README": "none"})
    found = look()
    assert source_of(found) == ""
    assert list(prompts_of(found)) == ["d/a.JPG", "d/b.png", "d/z/c.webp"]
    assert set(groups_of(found).values()) == {"d"} and set(prompts_of(found).values()) == {""}
    assert list(found.items()) == list(found.items())


def test_names_are_paths_as_the_user_would_type_them(here):
    put({"d/a.png": None})
    assert list(prompts_of(look("d/"))) == list(prompts_of(look("./d"))) == ["d/a.png"]
    assert list(prompts_of(look(str(here / "d")))) == [f"{here}/d/a.png"]
    os.chdir("d")
    assert list(prompts_of(look("."))) == ["a.png"] and groups_of(look("."))["a.png"] == "images"


def test_single_images_form_one_root_together():
    put(dict.fromkeys(["a.png", "x/b.png"]))
    found = look("a.png", "x/b.png", "a.png")
    assert prompts_of(found) == {"a.png": "", "x/b.png": ""} and set(groups_of(found).values()) == {"images"}
    assert refusals_of(found) == {"a.png": None, "x/b.png": None}
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
    put({"d/a.png": None})
    with pytest.raises(UsageError, match=r"missing\.jsonl: no such file or folder of prompts"):
        survey(["d"], prompts="missing.jsonl")


def test_an_empty_folder_has_no_items():
    os.mkdir("d")
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
    os.mkdir("d")
    with open(b"d/" + name, "wb") as file:
        file.write(encoded())
    (item,) = look().items()
    assert os.fsencode(item.name) == b"d/" + name
    assert item.read() == encoded()


def test_folders_and_prompts_may_be_named_in_other_bytes():
    os.makedirs(b"d/caf\xe9")
    for path, content in ((b"d/caf\xe9/a.png", encoded()), (b"d/caf\xe9/a.txt", b"a caf\xe9")):
        with open(path, "wb") as file:
            file.write(content)
    (item,) = look(os.fsdecode(b"d/caf\xe9")).items()
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
    put({"d/a.png": None, "d/album.png/b.png": None})
    os.mkdir("d/x.png")
    assert refusals_of(look()) == {
        "d/a.png": None,
        "d/album.png/b.png": None,
        "d/x.png": "is a folder, not an image file",
    }


def test_broken_links_are_refusals_and_good_ones_are_followed():
    put(dict.fromkeys(["d/a.png", "other/c.png"]))
    os.symlink("nowhere.png", "d/broken.png")
    os.symlink("a.png", "d/link.png")
    os.symlink("../other", "d/linked")
    assert refusals_of(look()) == {
        "d/a.png": None,
        "d/broken.png": "is a broken symbolic link",
        "d/link.png": None,
        "d/linked/c.png": None,
    }


def test_links_that_lead_back_are_followed_once():
    put({"d/sub/a.png": None})
    os.symlink("..", "d/sub/up")
    os.symlink(".", "d/self")
    assert list(prompts_of(look())) == ["d/sub/a.png"]


def test_a_link_to_itself_costs_only_itself():
    put({"d/a.png": None, "d/sub/b.png": None})
    os.symlink("loop.png", "d/loop.png")
    os.symlink("loop", "d/loop")
    found = refusals_of(look())
    assert list(found) == ["d/a.png", "d/loop.png", "d/sub/b.png"]
    assert found["d/a.png"] is None and "cannot be read" in found["d/loop.png"]


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
    (found,) = survey(["d"])
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
    put(dict.fromkeys(["d/a.png", "d/locked/b.png", "d/zoo/c.png"]))
    locked("d/locked")
    assert listing() == {
        "d/a.png": None,
        "d/locked": "the folder cannot be read: Permission denied",
        "d/zoo/c.png": None,
    }


def test_a_numbered_folder_that_may_not_be_read_is_one_refusal_too(locked):
    put(dict.fromkeys(["d/00000/a.png", "d/00001/b.png"]))
    locked("d/00000")
    assert listing() == {
        "d/00000": "the folder cannot be read: Permission denied",
        "d/00001/b.png": None,
    }


def test_a_file_that_may_not_be_read_is_one_refusal(locked):
    put(dict.fromkeys(["d/a.png", "d/b.png"]))
    locked("d/b.png")
    assert listing() == {"d/a.png": None, "d/b.png": "may not be read (permission denied)"}


def test_a_root_that_may_not_be_read_is_a_refusal(locked):
    put({"d/a.png": None})
    locked("d")
    assert listing() == {"d/.": "the folder cannot be read: Permission denied"}


def test_a_link_into_a_folder_that_may_not_be_entered_costs_only_itself(locked):
    put(dict.fromkeys(["d/a.png", "secret/b.png"]))
    os.symlink("../secret/b.png", "d/b.png")
    locked("secret")
    assert listing() == {"d/a.png": None, "d/b.png": "may not be read (permission denied)"}


def test_a_geneval_folder_that_may_not_be_read_is_one_refusal(locked):
    put({f"d/{folder}/metadata.jsonl": {"prompt": "a bench"} for folder in ("00000", "00001", "00002")})
    put(dict.fromkeys([f"d/{folder}/samples/0000.png" for folder in ("00000", "00001", "00002")]))
    locked("d/00000")
    locked("d/00001/samples")
    assert listing() == {
        "d/00000": "the folder cannot be read: Permission denied",
        "d/00001/samples": "the folder cannot be read: Permission denied",
        "d/00002/samples/0000.png": None,
    }
