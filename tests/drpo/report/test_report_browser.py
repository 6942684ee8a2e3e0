"""A run's page in a real browser: it can be used by everyone, on a telephone too, in light and dark."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from accessibility import AXE, everywhere
from browsers import Browser
from toy_generator import SETTINGS, Judge, Scorer, ToyGenerator, monitor, ranked_trainer

from drpo.features.latent import Latent
from drpo.report import kept, report
from drpo.report.evaluate import Evaluated, pairs
from drpo.run.run import run
from drpo.types import Prompt

pytestmark = pytest.mark.skipif(AXE is None, reason="axe-core-python is not installed")
SHOWN = """[...document.querySelectorAll('.chosen .moments > *')].filter((each) => each.offsetParent)
  .map((each) => each.querySelector('.name').textContent)"""
LONG = "a photo of " + "a very long prompt that goes on and on, " * 8 + "W" * 200


@pytest.fixture(scope="module")
def run_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the page of a run that was evaluated twice, on very long prompts afterwards."""
    folder = tmp_path_factory.mktemp("run")
    config = dataclasses.replace(SETTINGS, steps=4, eval_every=2)
    trainer = ranked_trainer(config, ToyGenerator(), Latent(), Scorer(), ["a cat"])
    run(trainer, folder / "run", monitor=monitor(judge=Judge()))
    toy = ToyGenerator()
    toy.shift.data += torch.tensor([-1.0, 1.0, 1.0])
    asked = [Prompt(f"{LONG} {i}", {"tag": f"task {i % 2}"}) for i in range(4)]
    groups = [group for number, prompt in enumerate(asked) for group in pairs(toy, prompt, 2, number)]
    said = {"toy" * 20: Scorer().rank(groups), "judge": Judge().rank(groups)}
    kept.keep(folder / "run", Evaluated(asked, groups, said), "prompts.txt")
    return report.write(folder / "run").as_uri()


def test_a_run_page_fits_a_telephone_and_axe_finds_nothing_serious(run_page: str, browser: Browser) -> None:
    assert everywhere(browser, run_page) == []
    browser.see("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert browser.see("document.documentElement.scrollWidth") <= 390
    broken = "[...document.images].filter((each) => !each.naturalWidth).length"
    assert browser.see(broken) == 0 and not browser.errors


def test_the_slider_of_a_run_shows_each_moment_beside_the_first(run_page: str, browser: Browser) -> None:
    browser.goto(run_page)
    browser.see("document.querySelector('.slide input').focus()")
    for key, moment in (("End", "step 4"), ("ArrowLeft", "step 2"), ("Home", "step 0")):
        browser.press(key)
        shown = browser.see(SHOWN)
        assert set(shown[::2]) == {"before"} and set(shown[1::2]) == {moment}
    assert not browser.errors
