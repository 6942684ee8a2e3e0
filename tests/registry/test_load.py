"""Names to rankers: plugins with options, functions of modules, panels."""

import sys
from typing import Literal

import pytest
from PIL import Image
from sites import GREY

import rankkit
from rankkit import Group
from rankkit.errors import BadOption, BrokenRanker, UnknownRanker, UsageError
from rankkit.registry.load import load, load_here, prepare


def score(ranker, *values):
    images = tuple(Image.new("RGB", (2, 2), (value, value, value)) for value in values)
    return ranker.rank([Group("a cat", images)])[0].scores


# --- loading ---


def test_a_plugin_is_loaded_by_its_name_with_its_options(site):
    site.module("grey_plugin", GREY)
    site.distribution("rankkit-grey", {"grey": "grey_plugin:grey"})
    assert score(load("grey"), 128, 100) == (0, -28)
    assert score(load("grey:target=100"), 128, 100) == (-28, 0)
    assert score(load("grey", target=90), 100) == score(load_here("grey:target=1", target=90), 100) == (-10,)


def test_an_unknown_name_shows_the_nearest_and_the_list():
    with pytest.raises(
        UnknownRanker,
        match=r"no ranker is named 'sharpnes'; did you mean sharpness.*\? installed: .*colorfulness",
    ):
        load("sharpnes")
    with pytest.raises(UnknownRanker, match=r"no ranker is named 'qqqq'; installed: "):
        load("qqqq")


def test_an_unknown_option_is_refused_at_load_with_those_that_exist():
    with pytest.raises(
        BadOption,
        match=r"compressibility has no option 'qualty'; did you mean quality\? its options: quality=95",
    ):
        load("compressibility:qualty=3")
    with pytest.raises(BadOption, match=r"sharpness has no option 'x'; its options: none"):
        load("sharpness", x=1)


def test_nothing_is_built_before_it_is_loaded(site):
    site.module(
        "heavy_plugin",
        """
        class Heavy:
            version = "w1"
            kind = "pointwise"
            built = 0
            def __init__(self, *, size: int): Heavy.built += 1
            def rank(self, groups): return []
        """,
    )
    site.distribution("rankkit-heavy", {"heavy": "heavy_plugin:Heavy"})
    prepared = prepare("heavy:size=3")
    import heavy_plugin

    assert heavy_plugin.Heavy.built == 0
    assert (prepared.identity.ranker, prepared.identity.version, prepared.identity.options) == (
        "heavy",
        "1.0+w1",
        {"size": 3},
    )
    assert prepared.kind == "pointwise" and not prepared.needs_prompt
    prepared.load()
    assert heavy_plugin.Heavy.built == 1
    with pytest.raises(BadOption, match="heavy needs size: write heavy:size=VALUE"):
        prepare("heavy")


def test_a_ranker_that_cannot_be_built_says_why(site):
    site.module(
        "poor_plugin",
        "class Poor:\n    def __init__(self): raise OSError('no weights')\n    def rank(self, groups): "
        "return []",
    )
    site.distribution("rankkit-poor", {"poor": "poor_plugin:Poor", "number": "poor_plugin:__name__"})
    with pytest.raises(BrokenRanker, match="poor cannot be built: OSError: no weights"):
        load("poor")
    with pytest.raises(BrokenRanker, match=r"'poor_plugin' has no rank\(groups\)"):
        load("number")


def test_a_ranker_that_is_an_object_and_no_class_is_named_like_any(site):
    site.module(
        "built_plugin",
        "from rankkit import Ranking\n"
        "class Rising:\n"
        "    def rank(self, groups):\n"
        "        return [Ranking(tuple(map(float, range(len(group.images))))) for group in groups]\n"
        "rising = Rising()\n",
    )
    site.distribution("rankkit-built", {"rising": "built_plugin:rising"})
    (ranking,) = load("rising").rank([rankkit.Group("", (Image.new("RGB", (4, 4)),) * 2)])
    assert ranking.scores == (0.0, 1.0)


class Typed(rankkit.Pointwise):
    def __init__(
        self,
        *,
        count: int = 1,
        share: float = 0.5,
        mode: Literal["fast", "good"] = "fast",
        limit: int | None = None,
        strict: bool = False,
        name: str = "x",
        plain=2,
        free=None,
    ):
        self.given = {
            "count": count,
            "share": share,
            "mode": mode,
            "limit": limit,
            "strict": strict,
            "name": name,
        }
        self.given |= {"plain": plain, "free": free}

    def score(self, images):
        return [0.0] * len(images)


# --- options take the type of their annotation, else of their default ---


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("count=3", 3),
        ("share=1", 1.0),
        ("mode=good", "good"),
        ("limit=7", 7),
        ("limit=none", None),
        ("strict=yes", True),
        ("name=3", "3"),
        ('name="a,b+c*d"', "a,b+c*d"),
        ("plain=5", 5),
        ("free=1.5", 1.5),
        ("free=true", True),
    ],
)
def test_an_option_has_the_type_that_its_signature_says(text, value):
    given = load(f"{__name__}:Typed:{text}").given[text.split("=")[0]]
    assert given == value and type(given) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("count=x", "count='x' is not int"),
        ("mode=best", "mode='best' is not one of fast, good"),
        ("strict=maybe", "strict='maybe' is not bool"),
        ("plain=x", "plain='x' is not int"),
        ("limit=x", "limit='x' is not int | None"),
    ],
)
def test_a_value_of_another_type_is_shown_with_what_was_expected(text, message):
    with pytest.raises(BadOption) as caught:
        load(f"{__name__}:Typed:{text}")
    assert message in str(caught.value)


def test_an_annotation_that_cannot_be_resolved_leaves_the_type_of_the_default(site):
    site.module(
        "odd_plugin", "from __future__ import annotations\ndef odd(image, *, n: Nowhere = 3): return n"
    )
    assert score(load("odd_plugin:odd:n=5"), 1) == (5,)


# --- module.path:function ---


def test_an_unregistered_function_is_found_in_the_current_folder_and_its_version_is_its_source(
    tmp_path, site
):
    (tmp_path / "mine_here.py").write_text(GREY)
    prepared = prepare("mine_here:grey:target=100")
    assert score(prepared.load(), 100) == (0,)
    assert prepared.identity.ranker == "mine_here:grey" and prepared.identity.options == {"target": 100}
    assert prepared.identity.version.startswith("source:")
    del sys.modules["mine_here"]
    (tmp_path / "mine_here.py").write_text(GREY + "\n# another version\n")
    assert prepare("mine_here:grey").identity.version != prepared.identity.version


def test_an_attribute_of_a_module_may_be_deep(site):
    site.module("deep_plugin", "class Box:\n    @staticmethod\n    def grey(image): return 4")
    assert score(load("deep_plugin:Box.grey"), 1) == (4,)


def test_what_is_not_in_a_module_is_named_with_its_nearest(site):
    site.module("grey_plugin", GREY)
    with pytest.raises(
        UnknownRanker, match=r"grey_plugin:gray: grey_plugin has no 'gray'; did you mean grey\?"
    ):
        load("grey_plugin:gray")
    with pytest.raises(
        UnknownRanker, match="no module 'nowhere_at_all' here or installed; run from the folder that holds it"
    ):
        load("nowhere_at_all:f")
    with pytest.raises(UnknownRanker, match="named as a module, without its ending: grey_plugin:grey"):
        load("grey_plugin.py:grey")


def test_a_module_that_cannot_be_imported_says_why(site):
    site.module("torn_plugin", "def f(image: return 0")
    site.module("poor_plugin", "import notinstalled_xyz")
    with pytest.raises(BrokenRanker, match="torn_plugin cannot be imported: SyntaxError"):
        load("torn_plugin:f")
    with pytest.raises(
        BrokenRanker,
        match="poor_plugin cannot be imported: ModuleNotFoundError: No module named 'notinstalled_xyz'",
    ):
        load("poor_plugin:f")


def test_a_function_that_is_no_ranker_is_refused_when_it_is_loaded(site):
    site.module("wrong_plugin", "def f(caption): return 0\nvalue = 3")
    with pytest.raises(BrokenRanker, match="name its arguments image, prompt"):
        load("wrong_plugin:f")
    with pytest.raises(BrokenRanker, match=r"3 has no rank\(groups\)"):
        load("wrong_plugin:value")


# --- panels ---


def test_a_panel_is_one_ranker_that_names_its_members_and_their_versions(site):
    site.module("grey_plugin", GREY)
    site.distribution("rankkit-grey", {"grey": "grey_plugin:grey"})
    prepared = prepare("grey:target=0*2+grey:target=255+prompt-color")
    assert prepared.identity.ranker == "grey:target=0*2+grey:target=255+prompt-color"
    assert prepared.kind == "listwise" and prepared.needs_prompt
    assert "grey:target=0 1.0" in prepared.identity.version
    assert score(load("grey:target=0*2+grey:target=255"), 10, 20) == pytest.approx((2 / 3, 1 / 3))


def test_one_ranker_with_a_weight_is_a_panel_of_one():
    assert prepare("sharpness*2").kind == "listwise"


def test_bad_panels_are_refused_in_words():
    with pytest.raises(UsageError, match="names the same ranker twice"):
        prepare("sharpness+sharpness")
    with pytest.raises(UsageError, match="the weight of sharpness is -1; weights are positive"):
        prepare("sharpness*-1+contrast")
    with pytest.raises(BadOption, match=r"a panel takes no options of its own \(x\)"):
        prepare("sharpness+contrast", x=1)
    with pytest.raises(UnknownRanker, match="did you mean contrast"):
        prepare("sharpness+contrst")


def test_a_weight_of_zero_is_refused():
    with pytest.raises(UsageError, match="the weight of sharpness is 0; weights are positive"):
        prepare("sharpness*0+contrast")
