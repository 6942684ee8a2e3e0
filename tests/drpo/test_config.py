"""Settings are read by the fields' types, and every mistake has one clear message."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from drpo.config import Config
from drpo.recipes import recipe, recipes
from drpo.settings import placed, with_settings
from rankkit import RankkitError


def test_settings_are_read_by_the_type_of_their_field() -> None:
    config = with_settings(
        recipe("shapes"), ["steps=7", "radii=.1,.3", "field=masked", "learning_rate=1e-3", "ranker=a:b=c"]
    )
    assert (config.steps, config.radii, config.field, config.learning_rate, config.ranker) == (
        7,
        (0.1, 0.3),
        "masked",
        1e-3,
        "a:b=c",
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("radius=1", r"unknown field 'radius' \(did you mean 'radii'\?\)"),
        ("steps", "write field=value"),
        ("steps=many", "'many' is not an integer"),
        ("field=maskd", "did you mean 'masked'"),
        ("anchors=17", "group_size=32 is less than twice anchors=17"),
        ("steps=0", "steps=0 must be at least 1"),
        ("anchors=0", "anchors=0 must be at least 1"),
        ("learning_rate=-1e-4", "learning_rate=-0.0001 must be greater than 0"),
        ("learning_rate=nan", "learning_rate=nan must be greater than 0, and finite"),
        ("clip=0", "clip=0.0 must be greater than 0"),
        ("positive_weight=-3", "positive_weight=-3.0 must be greater than 0"),
        ("radii=0.1,-1", "radii=0.1,-1.0 must be greater than 0"),
        ("negative_weight=-1", "negative_weight=-1.0 must be 0 or more"),
        ("reference_weight=inf", "reference_weight=inf must be 0 or more, and finite"),
        ("timestep=-1", "timestep=-1 must be 0 or more"),
        ("image_size=-8", "image_size=-8 must be 0 or more"),
        ("warmup=-5", "warmup=-5 must be 0 or more"),
        ("patience=nan", "patience=nan must be 0 or more seconds"),
        ("beta2=1", "beta2=1.0 must be 0 or more, and less than 1"),
        ("ema=1.5", "ema=1.5 must be 0 or more, and less than 1"),
        ("seed=99999999999999999999", "must be of less than 64 bits"),
        ("lr=1e-4", r"unknown field 'lr' \(did you mean 'learning_rate'\?\)"),
        ("--Learning-Rate=1e-4", r"did you mean 'learning_rate'"),
        ("batch_size=4", r"did you mean 'prompts_per_step'"),
    ],
)
def test_a_setting_that_does_not_fit_is_named_with_the_next_step(setting: str, message: str) -> None:
    with pytest.raises(RankkitError, match=message):
        with_settings(recipe("shapes"), [setting])


def test_a_file_in_the_home_folder_is_found_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    config = with_settings(recipe("shapes"), ["prompts=~/p.txt", "ranker=~/taste"])
    assert (config.prompts, config.ranker) == ("/home/anna/p.txt", "~/taste")
    assert placed(["out=~/run"])[0] == {"out": "/home/anna/run"}


def test_an_unknown_recipe_is_answered_with_the_nearest() -> None:
    with pytest.raises(RankkitError, match=r"did you mean 'shapes'"):
        recipe("shape")


def test_every_recipe_is_a_config_and_says_what_it_is_for() -> None:
    for name, function in recipes().items():
        assert isinstance(recipe(name), Config) and function.__doc__


def test_every_field_has_a_docstring() -> None:
    source = inspect.getsource(Config)
    for field in dataclasses.fields(Config):
        after = source.split(f"\n    {field.name}: ")[1].splitlines()[1]
        assert after.strip().startswith('"""'), field.name
