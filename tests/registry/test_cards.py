import json
import sys

import pytest

from rankkit.cli.app import app
from rankkit.registry import cards
from rankkit.registry.catalog import Installed, installed


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """Write a distribution as pip leaves it behind, with these files listed."""
    cards._cards.cache_clear()
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, points, files=(), direct_url=None):
        info = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            "[rankkit.rankers]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        )
        for path, text in dict(files).items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text, "utf-8")
        (info / "RECORD").write_text("".join(f"{path},,\n" for path in dict(files)))
        if direct_url:
            (info / "direct_url.json").write_text(json.dumps(direct_url))
        return tmp_path

    yield write
    cards._cards.cache_clear()


def described(name, **options):
    (found,) = [cards.describe(offer, **options) for offer in installed() if offer.name == name]
    return found


def test_a_ranker_is_described_by_name_distribution_and_version():
    assert cards.describe(Installed("x", "rankkit-x", "1.0")) == {
        "name": "x",
        "distribution": "rankkit-x",
        "version": "1.0",
    }


def test_a_broken_one_carries_its_error_and_nothing_fails():
    assert cards.describe(Installed("x", "nowhere", "?", "it broke"), verbose=True) == {
        "name": "x",
        "distribution": "nowhere",
        "version": "?",
        "error": "it broke",
        "card": {},
    }


def test_the_card_of_a_single_ranker_stands_at_the_top_level(distribution):
    distribution(
        "rankkit-one",
        {"one": "one_plugin:f"},
        {"one_plugin/card.toml": 'range = "0 to 1"\nlicence = "MIT"\n'},
    )
    assert described("one", verbose=True)["card"] == {"range": "0 to 1", "licence": "MIT"}
    assert "card" not in described("one")


def test_rankers_of_one_card_share_what_stands_above_their_tables(distribution):
    card = 'licence = "MIT"\n[first]\nrange = "0 to 1"\n[second]\nrange = "any"\nlicence = "other"\n'
    distribution(
        "rankkit-two", {"first": "two_plugin:f", "second": "two_plugin:g"}, {"two_plugin/card.toml": card}
    )
    assert described("first", verbose=True)["card"] == {"licence": "MIT", "range": "0 to 1"}
    assert described("second", verbose=True)["card"] == {"licence": "other", "range": "any"}


@pytest.mark.parametrize("text", ["this is [not toml", "\x00"])
def test_a_card_that_cannot_be_read_says_so_and_fails_nothing(distribution, text):
    distribution("rankkit-bad", {"bad": "bad_plugin:f"}, {"bad_plugin/card.toml": text})
    assert described("bad", verbose=True)["card"]["error"].startswith("card.toml cannot be read: ")


def test_without_a_card_there_is_nothing_to_tell(distribution):
    distribution("rankkit-none", {"none": "none_plugin:f"})
    assert described("none", verbose=True)["card"] == {}


@pytest.mark.parametrize("place", ["card.toml", "edit_plugin/card.toml", "src/card.toml"])
def test_an_editable_installation_keeps_its_card_with_its_source(distribution, tmp_path, place):
    project = tmp_path / "my project"
    (project / place).parent.mkdir(parents=True)
    (project / place).write_text('range = "any"\n')
    url = {"url": project.as_uri(), "dir_info": {"editable": True}}
    value = "src.edit_plugin:f" if place.startswith("src") else "edit_plugin:f"
    distribution("rankkit-edit", {"edit": value}, direct_url=url)
    assert described("edit", verbose=True)["card"] == {"range": "any"}


def test_reading_cards_imports_no_plugin(distribution):
    distribution(
        "rankkit-loud",
        {"loud": "loud_plugin:f"},
        {"loud_plugin/__init__.py": "raise SystemExit", "loud_plugin/card.toml": "a = 1\n"},
    )
    assert described("loud", verbose=True)["card"] == {"a": 1}
    assert "loud_plugin" not in sys.modules


def test_every_built_in_ranker_states_its_range_and_more():
    for offer in installed():
        if offer.distribution == "rankkit-t2i" and offer.name != "shapes":
            card = cards.describe(offer, verbose=True)["card"]
            assert {"range", "licence"} <= card.keys(), offer.name


def test_the_unrelated_distribution_of_the_same_name_is_warned_of(distribution):
    assert cards.clash() is None
    distribution("rankkit", {})
    assert cards.clash() == (
        "the distribution rankkit 1.0 (ranking metrics) is installed beside rankkit-t2i and shares its "
        "name; uninstall it"
    )


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ('lisence = "MIT"', "'lisence'; did you mean licence"),
        ("needs_prompt = 'yes'", "needs_prompt = 'yes' is str, not bool"),
        ("range = 3", "range = 3 is int, not str"),
        ("range = [", "card.toml cannot be read"),
        ("skip = 'images-matter'", "skip = 'images-matter' is str, not list"),
        ("skip = ['images-matter']", "skip = 'images-matter' does not say why; write 'ID: reason'"),
        ("skip = ['images-matter: ']", "skip = 'images-matter: ' does not say why"),
        ("skip = ['order: it is the point', 3]", "skip = 3 does not say why"),
    ],
)
def test_what_is_wrong_with_a_card_is_named(distribution, card, says):
    distribution("rankkit-odd", {"odd": "odd:rank"}, {"odd/card.toml": card + "\n"})
    (problem,) = cards.problems(Installed("odd", "rankkit-odd", "1.0"))
    assert says in problem


def test_every_card_of_ours_is_right():
    assert not [problem for offer in installed() for problem in cards.problems(offer)]


PLUGIN = """
import rankkit

@rankkit.pointwise
def brevity(prompt):
    return -float(len(prompt))
"""


def check(monkeypatch, capfd, name):
    monkeypatch.setattr(sys, "argv", ["rankkit", "check", name])
    with pytest.raises(SystemExit) as end:
        app.main()
    return end.value.code, *capfd.readouterr()


@pytest.mark.parametrize(
    ("card", "code", "says"),
    [
        ("", 1, "fails 1 of"),
        ("skip = ['images-matter: it judges the prompt alone']", 0, "skipped images-matter"),
        ("skip = ['images-mater: it judges the prompt alone']", 1, "no check has the id 'images-mater'"),
    ],
)
def test_a_card_says_that_the_images_are_not_meant_to_matter(
    distribution, monkeypatch, capfd, card, code, says
):
    sys.modules.pop("brief_plugin", None)
    files = {"brief_plugin/__init__.py": PLUGIN, "brief_plugin/card.toml": card + "\n"}
    distribution("rankkit-brief", {"brief": "brief_plugin:brevity"}, files)
    ended, out, err = check(monkeypatch, capfd, "brief")
    assert ended == code and says in out + err
    assert ("it judges the prompt alone" in out) == (code == 0)


AGREEMENT = 'agreement = [{ data = "MMRB2", accuracy = 0.6, source = "A 2025" }]\n'


def test_a_cards_published_agreement_is_found_by_the_data_and_by_a_spec_with_options(distribution):
    distribution("rankkit-one", {"one": "one_plugin:One"}, {"one_plugin/card.toml": AGREEMENT})
    (found,) = cards.published(["one:device=cpu", "sharpness", "http://host:1"], "MMRB2")
    assert (found.ranker, found.accuracy, found.source) == ("one:device=cpu", 0.6, "A 2025")
    assert cards.published(["one"], "HPDv3") == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{ data = 'MMRB2', accuracy = 0.6 }", "not a table with data, accuracy, source"),
        ("'MMRB2: 0.6'", "not a table"),
        ("{ data = 'MMRB2', accuracy = '60 %', source = 'x' }", "accuracy is no number like 0.7"),
        ("{ data = 'MMRB2', accuracy = 60.1, source = 'x' }", "not one from 0 to 1"),
    ],
)
def test_an_agreement_that_says_no_source_or_no_share_is_a_fault_of_the_card(distribution, entry, words):
    card = {"one_plugin/card.toml": f"agreement = [{entry}]\n"}
    distribution("rankkit-one", {"one": "one_plugin:One"}, card)
    (offer,) = (offer for offer in installed() if offer.name == "one")
    assert [fault for fault in cards.problems(offer) if words in fault]
    assert cards.published(["one"], "MMRB2") == []
