"""The public surface: which names there are, how they are called, and what is written to files and over the
wire.
"""

import inspect
import json
import types
import warnings
from pathlib import Path

import pytest
from PIL import Image

import rankkit
import rankkit.errors
import rankkit.plugin
import rankkit.testing
from rankkit import Group, Ranking
from rankkit.adapters import ddpo, diffusion_nft, flow_grpo, reward_functions, trl_grpo, unirl, verl_omni
from rankkit.deprecated import retired
from rankkit.io.formats import read_rows
from rankkit.io.rows import FIELDS
from rankkit.remote import handshake, wire

DATA = Path(__file__).parents[1] / "data"
ADAPTERS = (ddpo, diffusion_nft, flow_grpo, reward_functions, trl_grpo, unirl, verl_omni)
MODULES = (rankkit, rankkit.errors, rankkit.testing, rankkit.plugin, *ADAPTERS)


def surface():
    """Every public name with its signature, a line each."""
    lines = []
    for module in MODULES:
        names = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if inspect.isclass(value) and value.__module__ == module.__name__
        ]
        for name in sorted(names):
            lines.append(f"{module.__name__}.{name}{_signature(getattr(module, name))}")
    return lines


def _signature(value):
    if inspect.isclass(value) and issubclass(value, Exception):
        return f" < {value.__mro__[1].__name__}"
    if inspect.isclass(value) and issubclass(value, dict):
        return "{" + ", ".join(value.__annotations__) + "}"
    if inspect.isclass(value) or isinstance(value, types.FunctionType):
        parameters = inspect.signature(value).parameters.values()
        return "(" + ", ".join(_parameter(parameter) for parameter in parameters) + ")"
    return ""


def _parameter(parameter):
    star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**", parameter.KEYWORD_ONLY: "*, "}.get(
        parameter.kind, ""
    )
    return f"{star}{parameter.name}{'=' if parameter.default is not parameter.empty else ''}"


def test_public_names_and_their_parameters_are_those_of_the_snapshot():
    """After an addition, write the lines anew (python tests/public/test_public_names.py); a name is only
    retired as CONTRIBUTING says.
    """
    assert surface() == (DATA / "public_names.txt").read_text("utf-8").splitlines()


def test_every_public_name_is_documented():
    assert not [
        name
        for module in MODULES
        for name in getattr(module, "__all__", ())
        if not name.startswith("__")
        and (inspect.isclass(getattr(module, name)) or inspect.isfunction(getattr(module, name)))
        and not getattr(module, name).__doc__
    ]


def test_a_retired_name_works_and_warns_with_its_present_name():
    find = retired("rankkit.plugin", {"ahead": ("rankkit.plugin:prefetch", "0.4")})
    with pytest.warns(
        DeprecationWarning, match=r"rankkit\.plugin\.ahead is rankkit\.plugin\.prefetch now; 0\.4"
    ):
        assert find("ahead") is rankkit.plugin.prefetch
    with pytest.raises(AttributeError, match="nothing"):
        find("nothing")


def test_public_modules_warn_of_nothing_when_imported():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for module in MODULES:
            for name in getattr(module, "__all__", ()):
                getattr(module, name)


# --- the wire ---


def groups():
    pixels = bytes(range(24))
    image = Image.frombytes("RGB", (4, 2), pixels)
    return [
        Group(
            "a cät",
            (image, image.transpose(Image.Transpose.ROTATE_90)),
            "g",
            ("a.png", "b.png"),
            {"tag": "colors"},
        ),
        Group("", ()),
    ]


def rankings():
    details = ({"reason": "bright"}, {"error": "cannot be judged"})
    return [Ranking((0.25, float("nan")), "pairwise", (0.5, float("nan")), details), Ranking(())]


def info():
    return handshake.WorkerInfo("clip", "1.0+x", {"model": "B"}, "pointwise", True, 1, "0.1.0", 1, 1024)


def messages():
    return {
        "groups": wire.encode_groups(groups()),
        "rankings": wire.encode_rankings(rankings()),
        "handshake": handshake.encode_handshake(info()),
        "error": handshake.encode_error(rankkit.UsageError("no such option"), "clip"),
    }


@pytest.mark.parametrize("name", messages())
def test_what_goes_over_the_wire_is_byte_for_byte_what_this_version_of_it_always_was(name):
    assert messages()[name] == (DATA / f"wire_v1_{name}.bin").read_bytes()


def test_bytes_of_this_version_of_the_wire_are_read():
    read = wire.decode_groups((DATA / "wire_v1_groups.bin").read_bytes())
    assert [(g.prompt, g.id, g.names, dict(g.metadata)) for g in read] == [
        (g.prompt, g.id, g.names, dict(g.metadata)) for g in groups()
    ]
    assert [[image.tobytes() for image in g.images] for g in read] == [
        [image.tobytes() for image in g.images] for g in groups()
    ]
    (first, second) = wire.decode_rankings((DATA / "wire_v1_rankings.bin").read_bytes())
    assert (first.scores[0], first.stderr[0], first.details) == (
        0.25,
        0.5,
        rankings()[0].details,
    ) and second.scores == ()
    assert handshake.decode_handshake((DATA / "wire_v1_handshake.bin").read_bytes(), "x") == info()


# --- rows ---


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_rows_of_the_first_version_are_read_as_they_were_meant(suffix):
    rows = list(read_rows(DATA / f"rows_v1{suffix}"))
    assert [tuple(row) for row in rows] == [FIELDS] * 4
    scored, tied, abstained, panel = rows
    assert (scored["score"], scored["rank"], scored["of"], scored["error"]) == (0.125, 1.0, 2, None)
    assert (scored["prompt"], scored["options"]) == ("a “café”, 猫\nand a second line", {"quality": 80})
    assert (tied["stderr"], tied["rank"], tied["kind"]) == (0.5, 1.5, "pairwise")
    assert (abstained["score"], abstained["rank"], abstained["error"]) == (
        None,
        None,
        "cannot be decoded completely: broken",
    )
    assert panel["details"] == {
        "members": {"a": {"score": 2.0, "rank": 1.0}, "b": {"score": None, "rank": None}}
    }


if __name__ == "__main__":
    (DATA / "public_names.txt").write_text("\n".join(surface()) + "\n", "utf-8")
    if not (DATA / "wire_v1_groups.bin").exists():
        for name, data in messages().items():
            (DATA / f"wire_v1_{name}.bin").write_bytes(data)
    print(json.dumps({"names": len(surface())}))
