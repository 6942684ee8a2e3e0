"""A run's page in a real browser: it can be used by everyone, on a telephone too, in light and dark."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from accessibility import AXE, everywhere
from browser import CHROMIUM, Browser
from toy_generator import SETTINGS, Judge, Scorer, ToyGenerator, monitor, ranked_trainer

from drpo.features.latent import Latent
from drpo.report import kept, report
from drpo.report.evaluate import Evaluated, pairs
from drpo.run.run import run
from drpo.types import Prompt

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or AXE is None, reason="no Chromium on the PATH, or no axe-core-python"
)
LONG = "a photo of " + "a very long prompt that goes on and on, " * 8 + "W" * 200


def test_a_run_page_fits_a_telephone_and_axe_finds_nothing_serious(tmp_path: Path) -> None:
    config = dataclasses.replace(SETTINGS, steps=4, eval_every=2)
    trainer = ranked_trainer(config, ToyGenerator(), Latent(), Scorer(), ["a cat"])
    run(trainer, tmp_path / "run", monitor=monitor(judge=Judge()))
    toy = ToyGenerator()
    toy.shift.data += torch.tensor([-1.0, 1.0, 1.0])
    asked = [Prompt(f"{LONG} {i}", {"tag": f"task {i % 2}"}) for i in range(4)]
    groups = [group for number, prompt in enumerate(asked) for group in pairs(toy, prompt, 2, number)]
    said = {"toy" * 20: Scorer().rank(groups), "judge": Judge().rank(groups)}
    kept.keep(tmp_path / "run", Evaluated(asked, groups, said), "prompts.txt")
    page = report.write(tmp_path / "run")
    with Browser() as browser:
        assert everywhere(browser, page.as_uri()) == []
        browser.see("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert browser.see("document.documentElement.scrollWidth") <= 390
        broken = "[...document.images].filter((each) => !each.naturalWidth).length"
        assert browser.see(broken) == 0 and not browser.errors
