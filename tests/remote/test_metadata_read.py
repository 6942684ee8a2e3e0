"""What makes a score stand that a ranker elsewhere made: the metadata that it says it reads."""

import json
import os
import sys
import warnings

import pytest
from compared import COMPARED
from PIL import Image
from score_runs import folder, score
from web_server import serving

from rankkit import mean_rank
from rankkit.core.stated import metadata_images, reads_metadata
from rankkit.errors import BrokenRanker
from rankkit.registry.load import prepare
from rankkit.remote import handshake
from rankkit.remote.base import Remote


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A current folder with two images in `in`, a module of rankers, and a configuration of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("RANKKIT_CONFIG", str(tmp_path / "rankkit.toml"))
    folder(tmp_path / "in", "ab")
    (tmp_path / "reading.py").write_text(COMPARED)
    sys.modules.pop("reading", None)
    return tmp_path


def metadata(**about):
    with open("in/metadata.jsonl", "w") as file:
        for name in "ab":
            line = {"file_name": f"{name}.png", "text": "a cat", **about.get(name, {})}
            file.write(json.dumps(line) + "\n")


def piped(name, folder="."):
    """The name of a ranker of `reading` that runs in a process of its own, started in a folder."""
    start = 'cd "$0" && exec "$@"'
    command = ["sh", "-c", start, str(folder), sys.executable, "-m", "rankkit.serving.pipe", name]
    with open(os.environ["RANKKIT_CONFIG"], "w") as file:
        file.write(f"[rankers.elsewhere]\ncommand = {json.dumps(command)}\n")
    return "elsewhere"


def scored(spec):
    return score("in", spec, "out.jsonl").scored


def colour(name, red):
    Image.new("RGB", (4, 4), (red, 0, 0)).save(name)


def goes_stale_with_what_it_reads(spec):
    metadata(a={"source": "of/one.png"}, b={"source": "of/two.png"})
    assert scored(spec) == 2 and scored(spec) == 0
    os.utime("of/two.png", (1, 1))  # the same content
    assert scored(spec) == 0
    colour("of/two.png", 30)
    assert scored(spec) == 1 and scored(spec) == 0
    metadata(a={"source": "of/one.png", "tag": "new"}, b={"source": "of/two.png"})
    assert scored(spec) == 1 and scored(spec) == 0


@pytest.fixture
def sources(place):
    (place / "of").mkdir()
    colour("of/one.png", 10)
    colour("of/two.png", 20)
    return place


def test_rows_of_a_worker_go_stale_with_the_metadata_it_reads_and_the_images_that_this_names(sources):
    goes_stale_with_what_it_reads(piped("reading:Compared"))


def test_rows_of_a_server_go_stale_with_the_metadata_it_reads_and_the_images_that_this_names(sources):
    with serving("reading:Compared") as server:
        goes_stale_with_what_it_reads(server.url)


@pytest.mark.parametrize("given, start", [("", "of/"), (":folder=of", "")])
def test_paths_start_where_the_ranker_runs(sources, monkeypatch, given, start):
    (sources / "other").mkdir()
    os.rename("in", "other/in")
    monkeypatch.chdir(sources / "other")
    metadata(a={"source": f"{start}one.png"}, b={"source": f"{start}two.png"})
    name = piped(f"reading:Compared{given}", sources)
    assert scored(name) == 2 and scored(name) == 0
    colour(sources / "of" / "two.png", 30)
    assert scored(name) == 1


def test_rows_of_a_ranker_elsewhere_that_reads_no_metadata_stand_whatever_it_is(place):
    metadata(a={"wanted": 1})
    with serving("reading:blind") as server:
        for spec in (piped("reading:blind"), server.url):
            assert scored(spec) == 2
            metadata(a={"wanted": spec})
            assert scored(spec) == 0


def test_a_ranker_elsewhere_that_does_not_say_what_it_reads_is_taken_to_read_everything(sources, monkeypatch):
    def earlier(info):
        said = handshake_fields(info)
        return {key: value for key, value in said.items() if "metadata" not in key}

    handshake_fields = handshake.handshake_fields
    monkeypatch.setattr("rankkit.serving.app.handshake_fields", earlier)
    with serving("reading:Compared") as server:
        assert prepare(server.url).reads_metadata
        goes_stale_with_what_it_reads(server.url)


def test_a_panel_of_built_rankers_reads_what_its_members_read(sources):
    from reading import Compared, blind

    from rankkit import build, veto

    compared, without = build(Compared, folder="of"), build(blind)
    for panel in (mean_rank({"a": compared, "b": without}), veto(without, by=compared)):
        assert reads_metadata(panel) and [n[:2] for n in metadata_images(panel)] == [("source", "of")]
    assert not reads_metadata(mean_rank({"b": without}))
    with serving("reading:Compared") as server, prepare(server.url).load() as remote:
        (named,) = metadata_images(mean_rank({"a": remote, "b": without}))
        assert (named.key, named.start) == ("source", str(sources))


@pytest.mark.parametrize("said", [["source"], [["source", ""]], [["source", "", 1]], "source", {"source": 1}])
def test_images_that_a_handshake_names_in_another_form_are_refused(said):
    info = handshake.WorkerInfo("x", "1", {}, "pointwise", False, metadata_images=said)
    with pytest.raises(BrokenRanker, match="does not say what a worker says"):
        handshake.decode_handshake(handshake.encode_handshake(info), "it")


def test_a_server_on_another_machine_is_said_to_open_its_own_files():
    info = handshake.WorkerInfo("x", "1", {}, "pointwise", False, metadata_images=[["source", "", "/"]])
    with pytest.warns(
        UserWarning, match=r"x opens the images that metadata names \(source\) on its own machine"
    ):
        Remote("x", info, far=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Remote("x", info)
