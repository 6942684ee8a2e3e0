"""A fitted folder is a ranker wherever one is named, and is refused in words where it cannot be trusted."""

import json
import math
import shutil

import pytest
from PIL import Image
from served import Served
from tastes import answer, discs

import rankkit
from rankkit.choose.fit import taste as folders
from rankkit.choose.fit.fit import fit
from rankkit.core.types import Group
from rankkit.errors import BadOption, BrokenRanker, UnknownRanker, UsageError
from rankkit.registry.load import load_here, prepare
from rankkit.registry.spec import parse, with_options
from rankkit.testing import check_ranker


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Images, labels, and two tastes: `plain`, and `told`, whose features need the prompt."""
    path = tmp_path_factory.mktemp("fitted")
    answer(path / "labels.jsonl", discs(path / "discs", 12), 40, prompt="a red disc")
    fit([path / "labels.jsonl"], path / "plain")
    fit([path / "labels.jsonl"], path / "told", features="basic+prompt-color")
    return path


@pytest.fixture
def here(place, monkeypatch):
    monkeypatch.chdir(place)
    return place


def group(path, prompt="a red disc"):
    return Group(prompt, tuple(Image.open(path / f"discs/{n}.png") for n in range(4)))


def test_it_passes_every_check(here):
    check_ranker(rankkit.load("./plain"), reload=lambda **options: rankkit.load("./plain", **options))


def test_a_folder_is_named_by_its_path_with_or_without_what_paths_may_have(here):
    (wanted,) = rankkit.load("./plain").rank([group(here)])
    shutil.copytree(here / "plain", here / "a+b, c", dirs_exist_ok=True)
    for spec in ("plain/", f"{here}/plain", "././plain", '"./a+b, c"', "'./a+b, c/'"):
        assert rankkit.load(spec).rank([group(here)]) == [wanted]
    assert prepare("./plain/").identity == prepare('"./plain"').identity
    assert prepare("./plain").identity.ranker == "./plain"
    with pytest.raises(UnknownRanker, match=r"did you mean \./plain\?"):
        rankkit.load("plain")
    with pytest.raises(BadOption, match="no option 'x'"):
        rankkit.load("./plain:x=1")


def test_a_folder_stands_in_a_panel_quoted_where_it_must_be(here):
    shutil.copytree(here / "plain", here / "a*b", dirs_exist_ok=True)
    panel = rankkit.load("\"./a*b\"*2+sharpness+'./told'")
    assert len(panel.rank([group(here)])[0].scores) == 4
    assert [(spec.name, weight) for spec, weight in parse('sharpness + "./a*b"*2')] == [
        ("sharpness", 1),
        ("./a*b", 2),
    ]
    assert parse(with_options('"./a*b"', {"x": "1"}))[0][0].name == "./a*b"


def test_it_needs_a_prompt_only_where_its_features_do_and_abstains_on_what_they_cannot_judge(here):
    assert not prepare("./plain").needs_prompt and prepare("./told").needs_prompt
    (ranking,) = rankkit.load("./told").rank([group(here, "something without a hue")])
    assert all(map(math.isnan, ranking.scores))
    assert "prompt-color: the prompt names no colour" in ranking.details[0]["error"]


def test_a_served_taste_scores_as_it_does_here(here):
    (wanted,) = load_here("./plain").rank([group(here)])
    with Served("./plain", here) as server:
        assert rankkit.load(server.url).rank([group(here)])[0].scores == wanted.scores


def test_a_damaged_or_foreign_folder_is_refused_in_words(here, tmp_path):
    def damaged(name, change):
        shutil.copytree(here / "plain", tmp_path / name)
        change(tmp_path / name)
        return str(tmp_path / name)

    def rewrite(**fields):
        def change(folder):
            record = json.loads((folder / "taste.json").read_text())
            (folder / "taste.json").write_text(json.dumps({**record, **fields}))

        return change

    def renumber(folder):
        shutil.copy(here / "told" / "weights.safetensors", folder / "weights.safetensors")

    (basic,) = json.loads((here / "plain" / "taste.json").read_text())["features"]
    for name, change, said in (
        (
            "cut",
            lambda folder: (folder / "weights.safetensors").write_bytes(b"123"),
            "is damaged .*of another fit",
        ),
        ("other", renumber, "is damaged .*of another fit"),
        ("gone", lambda folder: (folder / "weights.safetensors").unlink(), "is damaged"),
        ("json", lambda folder: (folder / "taste.json").write_text("{"), "cannot be read"),
        ("list", lambda folder: (folder / "taste.json").write_text("[]"), "it is no taste"),
        ("newer", rewrite(format=2), "format 2 and this rankkit reads 1.*update rankkit, or fit it again"),
        ("size", rewrite(features=[{**basic, "size": 7}]), "is damaged"),
        ("older", rewrite(features=[{**basic, "since": 0}]), "fitted by another version .*fit it again"),
        (
            "basic",
            rewrite(features=[{**basic, "identity": "basic 0"}]),
            "fitted on the features basic 0, and here they are basic 1",
        ),
    ):
        with pytest.raises(BrokenRanker, match=said):
            rankkit.load(damaged(name, change))
    with pytest.raises(UsageError, match="there is no such folder"):
        rankkit.load("./nowhere")
    with pytest.raises(UsageError, match=r"there is no taste\.json in it"):
        rankkit.load("./discs")


def test_a_folder_from_somebody_else_imports_nothing(here, tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    shutil.copytree(here / "plain", tmp_path / "taste")
    record = json.loads((tmp_path / "taste" / "taste.json").read_text())
    record["features"][0].update(spec="evil:score", kind="score")
    (tmp_path / "taste" / "taste.json").write_text(json.dumps(record))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="not files or addresses"):
        rankkit.load("./taste")


def test_a_fit_that_ends_between_its_files_leaves_no_ranker_of_two_fits(here, tmp_path, monkeypatch):
    shutil.copytree(here / "plain", tmp_path / "taste")
    found = folders.load(here / "told")

    def stopped(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folders, "write_whole", stopped)
    with pytest.raises(OSError):
        folders.save(found, tmp_path / "taste")
    with pytest.raises(BrokenRanker, match="of another fit"):
        rankkit.load(str(tmp_path / "taste"))


def test_what_is_no_taste_is_said_with_what_to_name_instead(here):
    for place, said in (
        ("./plain/taste.json", "it is a file; name a folder .* such as .*plain"),
        ("./discs", "no taste.json in it; name a folder that rankkit fit has written"),
        ("./nowhere", "there is no such folder; rankkit fit labels.jsonl -o nowhere makes one"),
        (
            "./mine.py:bright",
            "a function in a file is named mine:bright, in a command that is given in the f",
        ),
    ):
        with pytest.raises(UsageError, match=said):
            rankkit.load(place)


def test_features_that_are_not_installed_any_more_are_named_with_the_folder(here):
    shutil.copytree(here / "plain", here / "elsewhere")
    text = (here / "elsewhere/taste.json").read_text()
    (here / "elsewhere/taste.json").write_text(text.replace('"spec": "basic"', '"spec": "gone"'))
    said = "elsewhere was fitted on features .* not to be had here: no features are named 'gone'.*install"
    with pytest.raises(UsageError, match=said):
        rankkit.load("./elsewhere")
