"""Labels that cannot be fitted, or only in part: what is wrong is said in words, on the command line too."""

import json
import re
import shlex
import shutil

import pytest
from tastes import answer, discs
from typer.testing import CliRunner

from rankkit.choose.fit import told
from rankkit.choose.fit.fit import fit
from rankkit.cli.app import app
from rankkit.errors import BadSource, UsageError


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Images, and what is liked of them."""
    path = tmp_path_factory.mktemp("images")
    return path, discs(path / "discs", 10)


@pytest.fixture
def place(images, tmp_path):
    shutil.copytree(images[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


def refused(place, said, error=BadSource, **options):
    with pytest.raises(error, match=said):
        fit([place / "labels.jsonl"], place / "taste", **options)
    assert not (place / "taste" / "taste.json").exists()


@pytest.mark.parametrize(
    ("fields", "count", "said"),
    [
        ({}, 7, "7 answers that choose.*at least 10.*answer more"),
        ({"choice": "tie"}, 30, "all 30 answers are ties"),
        ({"choice": "skip"}, 30, "0 answers that choose"),
        (
            {"image_a": "gone/1.png"},
            30,
            r"of the images .* can be used .*gone/1\.png: does not exist.*--folder",
        ),
        (
            {"choice": "a", "place_a": 0, "place_b": 1},
            30,
            "all 30 answers are for the image on the left.*drawn at random",
        ),
    ],
)
def test_labels_that_say_nothing_are_refused(images, place, fields, count, said):
    answer(place / "labels.jsonl", images[1], count, **fields)
    refused(place, said)


def test_images_that_are_all_alike_are_refused(place, images):
    for number in range(1, 10):
        shutil.copy(place / "discs/0.png", place / f"discs/{number}.png")
    answer(place / "labels.jsonl", images[1], 30)
    refused(place, "0 answers that choose")


def test_deleted_images_are_left_out_and_counted(images, place):
    answer(place / "labels.jsonl", images[1], 60)
    (place / "discs/0.png").unlink()
    (place / "discs/1.png").write_bytes(b"no image")
    found = fit([place / "labels.jsonl"], place / "taste")
    assert set(found.measured.faults) == {"discs/0.png", "discs/1.png"}
    assert found.measured.left_out + len(found.measured.answers) == 60 and found.measured.left_out > 0
    assert "2 images cannot be used" in " ".join(told.faults(found))
    result = CliRunner().invoke(app, ["fit", str(place / "labels.jsonl"), "-o", str(place / "taste")])
    assert result.exit_code == 3 and "discs/0.png: does not exist" in result.output


def test_answers_that_stand_twice_are_refused(images, place):
    labels = place / "labels.jsonl"
    answer(labels, images[1], 30)
    with pytest.raises(UsageError, match=r"labels\.jsonl is given 2 times.*give it once"):
        fit([labels, place / "discs/../labels.jsonl"], place / "taste")
    part = place / "fair.jsonl"
    part.write_text("".join(labels.read_text().splitlines(keepends=True)[:12]))
    with pytest.raises(
        BadSource, match=r"12 answers stand in .*fair\.jsonl and in .*labels\.jsonl.*copies out"
    ):
        fit([labels, part], place / "taste")
    labels.write_text(labels.read_text() * 2)
    refused(place, r"30 answers stand in .*labels\.jsonl twice")


def test_a_fit_that_is_refused_leaves_no_folder(images, place):
    answer(place / "labels.jsonl", images[1], 30, image_a="gone/1.png", image_b="gone/2.png")
    refused(place, "can be used")
    assert not (place / "taste").exists()


def test_a_fit_that_was_refused_or_stopped_can_be_given_again(images, place):
    answer(place / "labels.jsonl", images[1], 7)
    refused(place, "7 answers that choose")
    assert [path.name for path in (place / "taste").iterdir()] == ["features.safetensors"]
    (place / "taste/weights.safetensors").write_bytes(b"of a fit that was killed")
    answer(place / "labels.jsonl", images[1], 30, seed=1)
    assert len(fit([place / "labels.jsonl"], place / "taste").measured.answers) == 37


def test_the_ranker_is_named_as_one_may_copy_it(images, place, monkeypatch):
    monkeypatch.chdir(place)
    answer(place / "labels.jsonl", images[1], 30)
    for folder in ("my taste+more", "o'taste", ".taste"):
        result = CliRunner().invoke(app, ["fit", "labels.jsonl", "-o", folder])
        told = re.search(r"score with -r (.*), and see", result.output)
        assert result.exit_code == 0 and told
        spec = shlex.split(told[1])[0]
        scored = CliRunner().invoke(app, ["score", "discs", "-r", spec, "-o", "scores.jsonl"])
        assert scored.exit_code == 0, scored.output
    result = CliRunner().invoke(app, ["fit", "labels.jsonl", "-o", "both'\""])
    assert isinstance(result.exception, UsageError) and "both kinds of quotes" in str(result.exception)


def test_images_that_moved_are_found_in_the_folder_that_is_given(images, tmp_path):
    answer(tmp_path / "labels.jsonl", images[1], 30)
    refused(tmp_path, "give --folder FOLDER")
    refused(tmp_path, "no such folder", UsageError, folder=tmp_path / "nowhere")
    assert not fit([tmp_path / "labels.jsonl"], tmp_path / "taste", folder=images[0]).measured.faults


def test_images_without_the_features_that_were_asked_for_are_not_looked_for_elsewhere(images, place):
    answer(place / "labels.jsonl", images[1], 30, prompt="nothing in particular")
    with pytest.raises(BadSource, match="have no such features: give others with --features") as error:
        fit([place / "labels.jsonl"], place / "taste", features="prompt-color")
    assert "--folder" not in str(error.value)


def test_people_who_disagree_are_said_and_one_can_be_chosen(images, place):
    liked = images[1]
    disliked = {name: -value for name, value in liked.items()}
    answer(place / "labels.jsonl", liked, 40, sure=999)
    answer(place / "labels.jsonl", disliked, 40, sure=999, who="bob", question=lambda n: f"b{n}")
    both = fit([place / "labels.jsonl"], place / "both")
    assert both.agreement is not None and both.agreement.rate == 0
    assert "want the opposite of each other; --who NAME fits the taste of one" in " ".join(told.verdict(both))
    ada = fit([place / "labels.jsonl"], place / "ada", who="ada")
    assert len(ada.measured.answers) == 40 and ada.agreement is None
    refused(place, r"--who eve: answers are by ada \(40\), bob \(40\)", UsageError, who="eve")


def test_somebody_who_nearly_always_chooses_one_side_is_told_so(images, place):
    answer(place / "labels.jsonl", images[1], 40, choice=lambda n: "b" if n else "a", place_a=0, place_b=1)
    found = fit([place / "labels.jsonl"], place / "taste")
    assert "ada chose the image on the right in 39 of 40 answers" in " ".join(told.verdict(found))


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ("sharpnes", "no features are named 'sharpnes'; did you mean sharpness"),
        ("basic*2", "has a weight"),
        ("basic+basic", "named twice"),
        ("basic:size=3", "take no options"),
        ("./other", "not files or addresses"),
        ("http://localhost:1", "not files or addresses"),
        ("module:function", "not files or addresses"),
        ("sharpness:x=1", "no option 'x'"),
        ("basic+", "name is missing"),
    ],
)
def test_features_that_there_are_not_are_refused(images, place, features, said):
    answer(place / "labels.jsonl", images[1], 30)
    refused(place, said, UsageError, features=features)


def test_a_folder_of_other_things_is_not_written_to(images, place):
    answer(place / "labels.jsonl", images[1], 30)
    for name, said in (("discs", "holds other things than a taste"), ("labels.jsonl", "is a file")):
        with pytest.raises(UsageError, match=said):
            fit([place / "labels.jsonl"], place / name)


def test_other_files_than_choices_are_refused(place):
    (place / "labels.jsonl").write_text(json.dumps({"image": "a.png", "score": 3}) + "\n")
    refused(place, "fit no known format")
    with pytest.raises(UsageError, match="no such file"):
        fit([place / "nowhere.jsonl"], place / "taste")


def test_the_report_says_what_the_terminal_says(images, place, monkeypatch):
    monkeypatch.chdir(place)
    answer(place / "labels.jsonl", images[1], 60)
    result = CliRunner().invoke(app, ["fit", "labels.jsonl", "-o", "taste"])
    assert result.exit_code == 0, result.output
    page = (place / "taste/report.html").read_text()
    accuracy = re.search(r"this taste +([\d.]+) +([\d.]+ to [\d.]+)", result.output)
    assert accuracy and accuracy[1] in page and accuracy[2] in page
    for said in ("On held-out answers it is", "Learning curve", "best single feature", "chance"):
        assert said in page
    assert "-r ./taste" in result.output
