import json
import os
import subprocess
import sys
import textwrap
from typing import Literal

import pytest
from PIL import Image

import rankkit
from rankkit import Group
from rankkit.errors import BadOption, BrokenRanker, UnknownRanker, UsageError
from rankkit.registry import catalog
from rankkit.registry.catalog import installed
from rankkit.registry.load import load, load_here, prepare

BUILTIN = (
    "colorfulness",
    "compressibility",
    "contrast",
    "incompressibility",
    "prompt-color",
    "saturation",
    "sharpness",
)

GREY = '''
import rankkit

@rankkit.pointwise
def grey(image, *, target=128):
    """Prefer grey."""
    return -abs(image.convert("L").getpixel((0, 0)) - target)
'''


class Site:
    """A folder on sys.path with distributions in it, as pip would leave them."""

    def __init__(self, folder):
        self.folder = folder

    def module(self, name, source):
        path = self.folder / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))

    def distribution(self, name, points, version="1.0", requires=()):
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        metadata = [
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}",
            *(f"Requires-Dist: {line}" for line in requires),
        ]
        (info / "METADATA").write_text("\n".join(metadata) + "\n")
        lines = [f"{ranker} = {value}" for ranker, value in points.items()]
        (info / "entry_points.txt").write_text("[rankkit.rankers]\n" + "\n".join(lines) + "\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield Site(folder)
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def found(name):
    return [offer for offer in installed() if offer.name == name]


def fault(name):
    (offer,) = found(name)
    return offer.error


def score(ranker, *values):
    images = tuple(Image.new("RGB", (2, 2), (value, value, value)) for value in values)
    return ranker.rank([Group("a cat", images)])[0].scores


# --- listing ---


def test_the_built_in_rankers_are_registered_like_any_plugins():
    offers = {offer.name: offer for offer in installed() if offer.distribution == "rankkit-t2i"}
    assert set(BUILTIN) <= set(offers)
    assert all(offers[name].error is None and offers[name].version for name in BUILTIN)


def test_a_ranker_is_shown_by_the_name_and_the_options_it_was_loaded_by():
    assert repr(load("prompt-color")) == "<ranker prompt-color, pointwise>"
    assert repr(load("compressibility", quality=80)) == "<ranker compressibility, quality=80, pointwise>"
    assert repr(load("sharpness+contrast*2")) == "<mean rank of sharpness + contrast*2>"


def test_a_plugin_is_listed_with_its_distribution_and_version_sorted_by_name(site):
    site.module("grey_plugin", GREY)
    site.distribution(
        "rankkit-grey", {"zz-grey": "grey_plugin:grey", "aa-grey": "grey_plugin:grey"}, version="2.1"
    )
    names = [offer.name for offer in installed()]
    assert names == sorted(names)
    assert found("aa-grey") == [catalog.Installed("aa-grey", "rankkit-grey", "2.1", None)]


def test_listing_imports_no_plugin_no_torch_and_no_builtin_ranker(site):
    site.module("loud_plugin", "raise SystemExit('imported')")
    site.module("parent_plugin/__init__", "raise SystemExit('imported')")
    site.module("parent_plugin/child", GREY)
    site.distribution("rankkit-loud", {"loud": "loud_plugin:grey", "child": "parent_plugin.child:grey"})
    code = """
        import json, sys
        from rankkit.registry.catalog import installed
        offers = {offer.name: offer.error for offer in installed()}
        heavy = ("torch", "rankkit.core.builtin", "pyarrow")
        print(json.dumps([offers, [m for m in sys.modules if "plugin" in m.split(".")[0] or m in heavy]]))
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site.folder), *sys.path])}
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    offers, loaded = json.loads(run.stdout)
    assert loaded == []
    assert set(BUILTIN) <= set(offers)
    assert offers["child"] is None and offers["loud"] == "loud_plugin has no 'grey'"


# --- broken plugins ---


@pytest.mark.parametrize(
    ("source", "value", "reason"),
    [
        (None, "gone_plugin:grey", "module gone_plugin is not there"),
        (None, "gone_plugin.deep.er:grey", "module gone_plugin.deep.er is not there"),
        ("def grey(image: return 0", "bad_plugin:grey", "bad_plugin.py cannot be parsed"),
        (
            "import notinstalled_xyz\ndef grey(image): return 0",
            "bad_plugin:grey",
            "it imports notinstalled_xyz, which is not installed",
        ),
        (
            "from notinstalled_xyz.sub import a\ndef grey(image): return 0",
            "bad_plugin:grey",
            "it imports notinstalled_xyz, which is not",
        ),
        ("def gray(image): return 0", "bad_plugin:grey", "bad_plugin has no 'grey'"),
        ("def grey(image): return 0", "bad plugin", "its entry point 'bad plugin' is not module:attribute"),
    ],
)
def test_a_broken_plugin_says_why_and_never_fails_the_list(site, source, value, reason):
    if source:
        site.module("bad_plugin", source)
    site.distribution("rankkit-bad", {"bad": value})
    assert reason in fault("bad")
    assert fault("sharpness") is None
    with pytest.raises(BrokenRanker) as caught:
        load("bad")
    assert str(caught.value).startswith("bad (rankkit-bad 1.0) cannot be imported: ") and reason in str(
        caught.value
    )


def test_a_missing_extra_is_named_with_the_command_that_adds_it(site):
    site.module("extra_plugin", "def grey(image): return 0")
    requires = ["numpy", "numpy>=1; extra == 'have'", "notinstalled-xyz>=2 ; extra == 'gpu'"]
    requires += [
        "notinstalled-xyz; python_version < '3' and extra == 'have'",
        'notinstalled-xyz; extra == "have" and os_name == "nt"',
    ]
    site.distribution(
        "rankkit-extra",
        {"fine": "extra_plugin:grey [have]", "needy": "extra_plugin:grey [gpu]"},
        requires=requires,
    )
    assert fault("fine") is None
    assert fault("needy") == "it needs notinstalled-xyz: pip install 'rankkit-extra[gpu]'"


def test_what_is_left_of_a_removed_distribution_does_not_fail_the_list(site):
    site.distribution("rankkit-gone", {"ghost": "gone_plugin:grey"})
    (site.folder / "rankkit_gone-1.0.dist-info" / "METADATA").unlink()
    assert fault("ghost") == "module gone_plugin is not there"


@pytest.mark.parametrize(
    "source",
    [
        "grey = lambda image: 0",
        "class grey: pass",
        "from os.path import join as grey",
        "from os.path import *",
        "if True:\n    def grey(image): return 0",
        "def __getattr__(name): return lambda image: 0",
        "try:\n    import notinstalled_xyz\nexcept ImportError:\n    pass\ndef grey(image): return 0",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import notinstalled_xyz\ndef grey(image): "
        "return 0",
        "def grey(image):\n    import notinstalled_xyz",
        "from . import bad_sibling\ndef grey(image): return 0",
    ],
)
def test_what_may_work_is_not_called_broken(site, source):
    site.module("pack_plugin/__init__", "")
    site.module("pack_plugin/inner", source)
    site.distribution("rankkit-fine", {"fine": "pack_plugin.inner:grey"})
    assert fault("fine") is None


def test_a_plugin_that_raises_on_import_is_broken_with_its_own_words(site):
    site.module("angry_plugin", "def grey(image): return 0\nraise RuntimeError('no licence\\nfound')")
    site.distribution("rankkit-angry", {"angry": "angry_plugin:grey"})
    assert fault("angry") is None
    with pytest.raises(
        BrokenRanker, match=r"angry \(rankkit-angry 1\.0\) cannot be imported: RuntimeError: no licence found"
    ):
        load("angry")


def test_two_plugins_with_one_name_are_both_named(site):
    site.module("grey_plugin", GREY)
    site.distribution("rankkit-one", {"same": "grey_plugin:grey"}, version="1.0")
    site.distribution("rankkit-two", {"same": "grey_plugin:grey"}, version="2.0")
    assert [offer.distribution for offer in found("same")] == ["rankkit-one", "rankkit-two"]
    assert all(
        offer.error.startswith("rankkit-one 1.0 and rankkit-two 2.0 both offer") for offer in found("same")
    )
    with pytest.raises(
        BrokenRanker,
        match=r"rankkit-one 1\.0 and rankkit-two 2\.0 both offer a ranker named 'same'; uninstall one",
    ):
        load("same")


def test_a_plugin_may_not_quietly_take_the_name_of_a_built_in_ranker(site):
    site.module("grey_plugin", GREY)
    site.distribution("rankkit-thief", {"sharpness": "grey_plugin:grey"})
    with pytest.raises(BrokenRanker, match=r"rankkit-t2i .* and rankkit-thief 1\.0 both offer"):
        load("sharpness")


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


# --- options take the type of their annotation, else of their default ---


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
