"""What docs/judges.md and the README say of options and manners is what there is."""

import re
from pathlib import Path

import pytest

import rankkit_vlm_judge
from rankkit.registry.options import check_options, coerced
from rankkit.registry.spec import parse
from rankkit_vlm_judge.options import ConnectionOptions
from rankkit_vlm_judge.testing import MANNERS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "judges.md").read_text("utf-8")
README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
PUBLISHED = re.findall(
    r" -r ((?:vqascore|unifiedreward|unifiedreward-pair|geneval2|editscore):\S+)", PAGE + README
)
SPECS = re.findall(r" -r (vlm-judge:\S+)", PAGE + README)


@pytest.mark.parametrize("spec", SPECS)
def test_every_call_in_the_pages_has_options_that_exist(spec):
    ((found, _),) = parse(spec)
    check_options("vlm-judge", rankkit_vlm_judge.VlmJudge, coerced(found, rankkit_vlm_judge.VlmJudge))


@pytest.mark.parametrize("spec", PUBLISHED)
def test_every_call_of_a_published_ranker_has_options_that_exist(spec):
    ((found, _),) = parse(spec)
    names = {"vqascore": "VqaScore", "geneval2": "GenEval2", "editscore": "EditScore"}
    names |= {"unifiedreward": "UnifiedReward", "unifiedreward-pair": "UnifiedRewardPair"}
    kind = getattr(rankkit_vlm_judge, names.pop(found.name))
    check_options(found.name, kind, coerced(found, kind))


def test_the_pages_show_a_call_of_every_published_ranker():
    assert len({spec.split(":")[0] for spec in PUBLISHED}) == 5


def test_the_pages_show_a_call_for_every_server_and_every_option():
    assert len(SPECS) >= 10
    own = {"criteria", "max_side", "degree", "repeat"}
    missing = [name for name in own | set(ConnectionOptions.__annotations__) if f"`{name}`" not in README]
    assert not missing


def test_the_manner_that_the_page_plays_is_there():
    assert all(name in MANNERS for name in re.findall(r'play\("([^"]+)"\)', PAGE))
