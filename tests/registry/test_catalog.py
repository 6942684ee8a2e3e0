"""What is installed, and what is wrong with it, without importing any of it."""

import json
import os
import subprocess
import sys
import textwrap

import pytest
from sites import GREY

from rankkit.errors import BrokenRanker
from rankkit.registry import catalog
from rankkit.registry.catalog import installed
from rankkit.registry.load import load

BUILTIN = (
    "colorfulness",
    "compressibility",
    "contrast",
    "incompressibility",
    "prompt-color",
    "saturation",
    "sharpness",
)


def found(name):
    return [offer for offer in installed() if offer.name == name]


def fault(name):
    (offer,) = found(name)
    return offer.error


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
