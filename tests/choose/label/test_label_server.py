"""`rankkit label` by HTTP and on the command line: who may ask, what is hidden, and bad input in words."""

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from urllib.parse import urlsplit

import pytest
from labelling import Labelling
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from score_runs import ENVIRONMENT, folder, save_image

from rankkit.choose.label.answers import AnswerFile
from rankkit.choose.label.candidates import candidates
from rankkit.cli.app import app
from rankkit.errors import BadSource, UsageError
from rankkit.io.prompts import survey


def label(place, *arguments, **environment):
    command = [sys.executable, "-m", "rankkit", "label", "--no-browser", *arguments]
    return subprocess.run(
        command, cwd=place, env=ENVIRONMENT | environment, capture_output=True, text=True, timeout=60
    )


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def pics(tmp_path):
    folder(tmp_path / "pics", "abcd", "a cat")
    return tmp_path


def test_only_this_machines_browser_with_the_token_is_answered(pics):
    with Labelling(pics, "pics") as work:
        assert work.url.startswith("http://127.0.0.1:")
        for path in ("/", "/state", "/wrong/state", "/favicon.ico"):
            assert work.ask(path)[0] == 404
        assert work.ask("state", host="evil.example")[0] == 403
        assert work.ask("state", origin="http://evil.example")[0] == 403
        assert work.ask("state", sec_fetch_site="cross-site")[0] == 403
        assert work.ask("answer", raw=b"{}", content_type="text/plain")[0] == 400
        assert work.ask("answer", raw=b"{" * 9000)[0] == 400
        assert work.ask("answer", raw=b" " * 20000)[0] == 413
        assert work.ask("answer", [1])[0] == 400 and work.ask("answer", method="GET")[0] == 404
        for path in ("", "page.js", "page.css", "icon.svg", "state"):
            status, content, headers = work.ask(path)
            assert status == 200 and "default-src 'none'" in headers["content-security-policy"]
            assert path == "state" or b"http" not in content.replace(b"http://www.w3.org/2000/svg", b"")
        assert work.ask("../pyproject.toml")[0] == 404 and not (pics / "labels.jsonl").read_bytes()


def test_a_browser_is_started_without_the_token_by_an_address_that_works_once(pics):
    opened = pics / "opened.txt"
    script = pics / "a-browser"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part && mv {opened}.part {opened}\n')
    script.chmod(0o700)
    environment = {"BROWSER": str(script), "DISPLAY": ":0"}
    with Labelling(pics, "pics", "--browser", **environment) as work:
        wait_for(opened)
        once = urlsplit(opened.read_text()).path
        assert urlsplit(work.url).path.strip("/") not in once and opened.read_text() != work.url
        assert work.ask(once + "x")[0] == 404
        status, _, headers = work.ask(once)
        assert status == 303 and headers["location"] == urlsplit(work.url).path
        assert work.ask(once)[0] == 404, "a second time it opens nothing"
        assert work.ask("state")[0] == 200


def wait_for(path):
    while not path.exists():
        time.sleep(0.01)


def test_nothing_tells_which_image_is_which(pics):
    text = PngInfo()
    text.add_text("parameters", "secret settings")
    for name in "abcd":
        image = Image.open(pics / "pics" / f"{name}.png").convert("RGBA")
        image.save(pics / "pics" / f"{name}.png", pnginfo=text)
    with Labelling(pics, "pics", "--top", "2") as work:
        _, state, _ = work.ask("state")
        assert ".png" not in json.dumps(state) and "pics" not in json.dumps(state)
        for source in state["question"]["images"]:
            status, content, headers = work.ask(source)
            assert status == 200 and headers["content-type"] == "image/png" and b"secret" not in content
            shown = Image.open(io.BytesIO(content))
            assert (shown.mode, shown.size, shown.info) == ("RGB", (24, 16), {})
        later = {**state["question"], "choice": 0, "seconds": "soon"}
        _, after, _ = work.ask("answer", {"question": later["id"], "choice": 0, "seconds": "soon"})
        assert work.ask(source)[0] == 410 and not after["late"]
        _, twice, _ = work.ask("answer", {"question": later["id"], "choice": 0})
        assert twice["late"] and twice["questions"] == 1
        status, wrong, _ = work.ask("answer", {"question": after["question"]["id"], "choice": 7})
        assert status == 400 and "the answer 7 is none of" in wrong["error"]
        assert work.ask("undo", {})[1]["undone"] and not work.ask("undo", {})[1]["undone"]
        printed, said = work.stop()
    assert printed == "labels.jsonl\n" and "0 answers by ada" in said
    assert [(line["choice"], line["seconds"]) for line in lines(pics / "labels.jsonl")][1:] == [
        ("undo", None)
    ]


def test_images_that_go_meanwhile_are_asked_about_no_more_and_all_else_goes_on(pics):
    with Labelling(pics, "pics") as work:
        before = work.ask("state")[1]["question"]
        (pics / "pics" / "a.png").unlink()
        (pics / "pics" / "b.png").write_bytes(b"no image")
        state = work.ask("answer", {"question": before["id"], "choice": "skip"})[1]
        for _ in range(12):
            state = work.ask("answer", {"question": state["question"]["id"], "choice": 0})[1]
        assert state["lost"] == 2 and state["question"]
        (pics / "pics" / "c.png").unlink()
        while state["question"]:
            state = work.ask("answer", {"question": state["question"]["id"], "choice": "tie"})[1]
        assert state["question"] is None and state["lost"] >= 3
        said = work.stop()[1]
    assert "pics/a.png does not exist: it is not shown any more" in said and "pics/b.png not an image" in said
    assert "Traceback" not in said


def test_a_folder_of_which_no_two_images_can_be_read_is_refused_before_a_page_is_served(pics):
    for name in "bcd":
        (pics / "pics" / f"{name}.png").write_bytes(b"no image")
    done = label(pics, "pics")
    assert done.returncode == 2 and "the page for" not in done.stderr
    assert "no two images of a prompt can be read" in done.stderr and "pics/b.png not an image" in done.stderr


def test_bad_input_is_said_in_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "one", "a", "a cat")
    folder(tmp_path / "pics", "ab", "a cat")
    (tmp_path / "empty").mkdir()
    with tarfile.open(tmp_path / "pics.tar", "w") as archive:
        archive.add(tmp_path / "pics", "pics")
    for i, name in enumerate(["x", "y"]):
        save_image(tmp_path / "single" / f"{name}.png", i)
    (tmp_path / "single" / "x.txt").write_text("a cat")
    (tmp_path / "single" / "y.txt").write_text("a dog")
    (tmp_path / "mine.jsonl").write_text('{"prompt": "a"}\n')
    (tmp_path / "below").mkdir()
    with AnswerFile(tmp_path / "others.jsonl"):
        (tmp_path / "others.jsonl").write_text(json.dumps(OTHERS) + "\n")
    for arguments, words in [
        (["empty"], "no image was found; name a folder of images"),
        (["nowhere"], "nowhere: no such file or folder"),
        (["one"], "there is one image, and nothing to compare it with"),
        (["single"], "each of the 2 prompts has one image"),
        (["pics", "-o", "mine.jsonl"], "mine.jsonl, line 1 is no answer of rankkit label"),
        (["pics", "-o", "others.jsonl"], "others.jsonl holds answers about other images, such as 'x.png'"),
        (["pics", "-o", "below/labels.jsonl"], "does not lie below"),
        (["pics", "-o", "no/labels.jsonl"], "link the images' folder into"),
        (["pics.tar"], "lies inside another file; unpack it into a folder first"),
        (["pics", "--who", " "], "give --who NAME"),
        (["pics", "-o", "labels.csv"], "labels.csv: answers are kept one per line"),
    ]:
        kind = BadSource if "line 1" in words else UsageError
        with pytest.raises(kind) as error:
            app(["label", "--no-browser", *arguments], standalone_mode=False)
        assert words in str(error.value)


OTHERS = {
    "question": "q", "prompt": "a cat", "image_a": "x.png", "image_b": "y.png", "choice": "a", "who": "ada",
    "at": "2026-01-01T00:00:00.000+00:00", "seconds": 1, "place_a": 0, "place_b": 1, "pick": "random",
}  # fmt: skip


@pytest.mark.fault
@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_read_only_target_is_refused(pics):
    pics.chmod(0o500)
    done = label(pics, "pics")
    pics.chmod(0o700)
    assert done.returncode == 2 and "labels.jsonl cannot be written: Permission denied" in done.stderr


def test_a_second_labeller_of_one_file_is_refused_and_a_torn_line_is_mended_by_the_next(pics):
    with Labelling(pics, "pics") as work:
        question = work.ask("state")[1]["question"]
        work.ask("answer", {"question": question["id"], "choice": 1, "seconds": 2})
        second = label(pics, "pics", "--who", "bob")
        assert second.returncode == 2 and "labels.jsonl is in use by another rankkit label" in second.stderr
        work.kill()
    with open(pics / "labels.jsonl", "ab") as file:
        file.write(b'{"question": "torn')
    with Labelling(pics, "pics") as work:
        assert "the last line was cut off and is removed; the 1 before it are kept" in "".join(work.said)
        assert work.ask("state")[1]["questions"] == 1
        work.stop()


def test_names_with_line_breaks_and_odd_bytes_are_kept_and_found_again(tmp_path):
    for seed, name in enumerate(["new\nline.png", os.fsdecode(b"odd\xff.png"), "ü.png"]):
        save_image(tmp_path / "pics" / name, seed)
    with Labelling(tmp_path, "pics", "--prompt", "a\ncat") as work:
        for _ in range(8):
            question = work.ask("state")[1]["question"]
            work.ask("answer", {"question": question["id"], "choice": 1})
        work.kill()
    assert len(lines(tmp_path / "labels.jsonl")) == 8
    with Labelling(tmp_path, "pics", "--prompt", "a\ncat") as work:
        assert work.ask("state")[1]["questions"] == 8 and "not here" not in "".join(work.said)
    done = subprocess.run(
        [sys.executable, "-m", "rankkit", "agree", "labels.jsonl", "-r", "sharpness", "--json"],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and json.loads(done.stdout)["unreadable_pairs"] == 0, done.stderr


def test_images_of_a_manifest_that_are_gone_are_left_out_and_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [f'{{"file_name": "{name}.png", "text": "a cat"}}' for name in "abc"]
    folder(tmp_path / "pics", "ab")
    (tmp_path / "pics" / "metadata.jsonl").write_text("\n".join(lines))
    said: list[str] = []
    (found,) = candidates(survey(["pics"]), "labels.jsonl", say=said.append)
    assert found.names == ("pics/a.png", "pics/b.png")
    assert said == ["1 left out, which cannot be read: pics/c.png: does not exist"]
