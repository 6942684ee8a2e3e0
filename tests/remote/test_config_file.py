"""rankkit.toml: read, written, and used by load, prepare, list and score; the workers and servers are real
ones.
"""

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from web_server import serving

import rankkit
from rankkit.errors import BadOption, BrokenRanker, UnknownRanker, UsageError
from rankkit.registry.catalog import installed
from rankkit.registry.load import prepare
from rankkit.remote import config, wire
from rankkit.remote.config import ConfiguredRanker
from rankkit.remote.rankers import Http, Pipe
from rankkit.testing.samples import sample_groups

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def toml(tmp_path, monkeypatch):
    """Writes the user's rankkit.toml."""
    monkeypatch.setenv("RANKKIT_CONFIG", str(tmp_path / "rankkit.toml"))
    monkeypatch.delenv("RANKKIT_TOKEN", raising=False)
    return (tmp_path / "rankkit.toml").write_text


@pytest.fixture
def served():
    with ExitStack() as servers:
        yield lambda spec, **options: servers.enter_context(serving(spec, **options)).url


def worker(name, *specs):
    return (
        f"[rankers.{name}]\ncommand = {json.dumps([sys.executable, '-m', 'rankkit.serving.pipe', *specs])}\n"
    )


def command_line(*arguments, code=0):
    result = subprocess.run(
        [sys.executable, "-m", "rankkit", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == code and "Traceback" not in result.stderr, result.stdout + result.stderr
    return result


def test_the_file_is_looked_for_where_the_user_keeps_such_files(monkeypatch, tmp_path):
    monkeypatch.setenv("RANKKIT_CONFIG", "/a/b.toml")
    assert config.path() == Path("/a/b.toml")
    monkeypatch.delenv("RANKKIT_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/x")
    assert config.path() == Path("/x/rankkit/rankkit.toml")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert config.path() == Path.home() / ".config/rankkit/rankkit.toml"


@pytest.mark.skipif(
    not hasattr(os, "seteuid") or os.geteuid() != 0, reason="only root can become somebody else"
)
def test_a_home_that_is_not_ours_holds_no_file_for_us(monkeypatch, tmp_path):
    (tmp_path / "rankkit").mkdir(mode=0o700)
    (tmp_path / "rankkit" / "rankkit.toml").write_text(worker("focus", "sharpness"))
    monkeypatch.delenv("RANKKIT_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    os.seteuid(65534)
    try:
        assert config.places() == {}
        monkeypatch.setenv("RANKKIT_CONFIG", str(config.path()))
        with pytest.raises(UsageError, match=r"rankkit\.toml cannot be read: Permission denied"):
            config.places()
    finally:
        os.seteuid(0)


def test_a_command_in_the_file_is_a_pipe_and_nothing_else_can_tell(toml):
    toml(worker("focus", "sharpness"))
    groups = sample_groups()
    with rankkit.load("focus") as ranker:
        assert isinstance(ranker, Pipe)
        assert wire.encode_rankings(ranker.rank(groups)) == wire.encode_rankings(
            rankkit.load_here("sharpness").rank(groups)
        )


def test_options_of_the_spec_and_of_load_are_passed_on(toml):
    toml(worker("jpeg", "compressibility:quality=20"))
    prepared = prepare("jpeg:quality=50")
    assert prepared.identity == prepare("compressibility:quality=50", local_only=True).identity.__class__(
        "jpeg", prepare("compressibility", local_only=True).identity.version, {"quality": 50}
    )
    with prepared.load() as ranker, rankkit.load("jpeg", quality=50) as other:
        expected = rankkit.load_here("compressibility:quality=50").rank(sample_groups())
        assert ranker.rank(sample_groups()) == other.rank(sample_groups()) == expected


def test_an_option_that_does_not_exist_is_refused_at_load_with_those_that_do(toml):
    toml(worker("jpeg", "compressibility"))
    with pytest.raises(BadOption, match="compressibility has no option 'qualty'; did you mean quality"):
        rankkit.load("jpeg:qualty=50")
    with pytest.raises(BadOption, match="jpeg: quality is list, which cannot be passed on"):
        rankkit.load("jpeg", quality=[1])


def test_what_prepare_says_is_what_the_worker_said_and_no_weights_are_loaded_for_it(toml, monkeypatch):
    shutil.copy(Path(__file__).parents[1] / "helpers" / "odd_rankers.py", config.path().parent)
    monkeypatch.chdir(config.path().parent)
    toml(worker("needy", "odd_rankers:needy") + worker("heavy", "odd_rankers:Unbuildable"))
    needy, heavy = prepare("needy:weight=3"), prepare("heavy")
    assert (needy.kind, needy.needs_prompt, needy.identity.options) == ("pointwise", True, {"weight": 3.0})
    assert heavy.kind == "pointwise"
    with pytest.raises(BrokenRanker, match="no checkpoint at /nowhere"):
        heavy.load()


def test_an_entry_comes_before_a_ranker_installed_here_except_for_load_here(toml):
    toml(worker("sharpness", "contrast"))
    with rankkit.load("sharpness") as ranker:
        assert ranker.rank(sample_groups()) == rankkit.load_here("contrast").rank(sample_groups())
    assert not isinstance(rankkit.load_here("sharpness"), Pipe)


def test_load_here_never_reads_the_file_and_never_asks_another_machine(toml):
    toml(worker("focus", "sharpness"))
    with pytest.raises(UnknownRanker):
        rankkit.load_here("focus")
    with pytest.raises(UsageError, match="a worker ranks by itself"):
        rankkit.load_here("http://127.0.0.1:1")


def test_a_worker_that_is_told_to_serve_itself_says_so_instead_of_forwarding(toml):
    toml(worker("loop", "loop"))
    with pytest.raises(UnknownRanker, match="no ranker is named 'loop'"):
        rankkit.load("loop")


def test_a_url_in_the_file_and_an_address_as_a_spec_are_rankers_over_http(toml, served):
    url = served("sharpness")
    toml(f'[rankers.gpu7]\nurl = "{url}"\n')
    for spec in ("gpu7", url):
        with rankkit.load(spec) as ranker:
            assert isinstance(ranker, Http) and ranker.rank(sample_groups()) == rankkit.load_here(
                "sharpness"
            ).rank(sample_groups())
        assert prepare(spec).identity.ranker == spec


def test_options_of_a_server_are_decided_there(toml, served):
    toml(f'[rankers.gpu7]\nurl = "{served("compressibility:quality=80")}"\n')
    assert prepare("gpu7:quality=80").identity.options == {"quality": 80}
    with pytest.raises(
        BadOption,
        match="gpu7 is served with quality=80; quality=50 is decided there: rankkit serve NAME:quality=50",
    ):
        prepare("gpu7:quality=50")


def test_the_token_comes_from_the_entry_or_from_the_environment(toml, served, monkeypatch):
    url = served("sharpness", token="hush")
    toml(
        f'[rankers.a]\nurl = "{url}"\ntoken = "hush"\n[rankers.b]\nurl = "{url}"\ntoken_env = '
        f'"B_TOKEN"\n[rankers.c]\nurl = "{url}"\n'
    )
    assert prepare("a").kind == "pointwise"
    with pytest.raises(UsageError, match="B_TOKEN, which is not set"):
        prepare("b")
    with pytest.raises(BrokenRanker, match=r"c: .* answered 401"):
        prepare("c")
    monkeypatch.setenv("B_TOKEN", "hush")
    monkeypatch.setenv("RANKKIT_TOKEN", "hush")
    assert {prepare(spec).kind for spec in ("a", "b", "c", url)} == {"pointwise"}


def test_a_panel_may_have_members_anywhere(toml, served):
    toml(worker("focus", "sharpness") + f'[rankers.gpu7]\nurl = "{served("contrast")}"\n')
    mixed, plain = (
        rankkit.load("focus*2+gpu7+colorfulness"),
        rankkit.load_here("sharpness*2+contrast+colorfulness"),
    )
    assert [ranking.scores for ranking in mixed.rank(sample_groups())] == [
        ranking.scores for ranking in plain.rank(sample_groups())
    ]


def test_list_shows_entries_without_starting_anything(toml, tmp_path):
    toml(
        f'[rankers.far]\nurl = "http://gpu7:8085"\n[rankers.sharpness]\ncommand = ["touch", '
        f'"{tmp_path}/started"]\n'
    )
    offers = {offer.name: offer for offer in installed()}
    assert (offers["far"].distribution, offers["far"].version) == ("url", "http://gpu7:8085")
    listed = {
        offer["name"]: offer for offer in json.loads(command_line("list", "--json", "--verbose").stdout)
    }
    assert (listed["sharpness"]["distribution"], listed["sharpness"]["version"]) == (
        "command",
        f"touch {tmp_path}/started",
    )
    assert "http://gpu7:8085" in command_line("list").stdout and not (tmp_path / "started").exists()


def test_score_resumes_with_a_worker_as_with_any_ranker(toml, tmp_path):
    toml(worker("focus", "sharpness"))
    for said in ("36 scored, 0 known already", "0 scored, 36 known already"):
        assert said in command_line("score", EXAMPLES, "-r", "focus", "-o", tmp_path / "s.jsonl").stderr
    command_line("score", EXAMPLES, "-r", "sharpness", "-o", tmp_path / "t.jsonl")
    rows, expected = (
        [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        for name in ("s.jsonl", "t.jsonl")
    )
    assert {row["ranker"] for row in rows} == {"focus"}
    assert [{**row, "ranker": "sharpness"} for row in rows] == expected


def test_an_environment_that_is_gone_stops_score_with_one_clear_message(toml, tmp_path):
    toml(
        '[rankers.hpsv3-official]\ncommand = ["/gone/bin/python", "-m", "rankkit.serving.pipe", '
        '"hpsv3-official"]\n'
    )
    said = command_line("score", EXAMPLES, "-r", "hpsv3-official", "-o", tmp_path / "s.jsonl", code=1).stderr
    assert "/gone/bin/python: No such file or directory" in said and "rankkit install hpsv3-official" in said


WRONG = {
    "[rankers.x": "is no TOML", "rankers = 3": ("rankers is "
        "int"), "[rankers.x]": "needs either command", "[rankers]\nx = 1": "needs either",
    '[rankers.x]\nurl = "http://a"\ncommand = '
    '["a"]': "needs either", '[rankers.x]\nurl = 3': "url = 3 is int",
    '[rankers.x]\ncommand = "python -m '
    'x"': "command = 'python -m x' is str", '[rankers.x]\ncommand = []': "a command is a list of words",
    '[rankers.x]\ncommand = ["a", '
    '1]': "a command is a list of words", '[rankers.x]\nurl = "http://a"\nulr = 1': "has 'ulr'; it may have",
    '[rankers.x]\nurl = "http://a"\ntimeout = '
    'true': "is bool", '[rankers.x]\nurl = "http://a"\ntimeout = 0': "above 0",
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_a_file_that_cannot_be_understood_is_one_clear_message_that_names_it(toml, text):
    toml(text)
    with pytest.raises(UsageError, match=WRONG[text]) as caught:
        config.places()
    assert str(config.path()) in str(caught.value)


def test_list_goes_on_where_the_file_cannot_be_understood(toml):
    toml("[rankers.x")
    listed = command_line("list").stdout
    assert "sharpness" in listed and "is no TOML" in listed and "BROKEN" in listed


def owned(name, command):
    """What `rankkit install` writes."""
    file = config.owned_file(name)
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"[rankers.{json.dumps(name)}]\ncommand = {json.dumps(command)}\n")
    return file


def test_an_installed_ranker_has_a_file_of_its_own_beside_the_users(toml):
    toml("# mine\n[rankers.far]\nurl = 'http://a'\n")
    owned("x-official", ["/env/bin/python", "x-official"])
    assert config.places() == {
        "far": ConfiguredRanker("far", url="http://a"),
        "x-official": ConfiguredRanker("x-official", ("/env/bin/python", "x-official")),
    }


def test_of_two_entries_with_one_name_the_users_own_counts(toml):
    owned("x-official", ["/env/bin/python"])
    toml('[rankers.x-official]\ncommand = ["mine"]\n')
    assert config.places()["x-official"].command == ("mine",)


def test_an_owned_file_that_cannot_be_understood_is_named(toml):
    file = owned("x-official", ["a"])
    file.write_text("[rankers.x")
    with pytest.raises(UsageError, match=r"rankers\.d/x-official\.toml is no TOML"):
        config.places()


def test_two_owned_files_with_one_ranker_are_an_error_that_names_both(toml):
    first = owned("x-official", ["a"])
    second = first.with_name("x-copy.toml")
    second.write_text(first.read_text())
    with pytest.raises(UsageError, match=rf"{second} and {first} both name x-official; remove one of them"):
        config.places()
    toml('[rankers.x-official]\ncommand = ["mine"]\n')
    with pytest.raises(UsageError, match="both name"):
        config.places()


@pytest.mark.parametrize("whose", ["the user's", "our own"])
def test_an_entry_of_an_earlier_version_works_on_and_one_line_says_how_to_renew_it(toml, whose):
    command = [sys.executable, "-m", "rankkit.serve", "sharpness"]
    if whose == "our own":
        file, renew = owned("old", command), "rankkit install old --force writes it anew"
    else:
        toml(f"[rankers.old]\ncommand = {json.dumps(command)}\n")
        file, renew = config.path(), "write that there"
    line = rf"^{file}: the command of old names rankkit.serve, which is rankkit.serving.pipe now; {renew}$"
    with pytest.warns(UserWarning, match=line), rankkit.load("old") as ranker:
        assert ranker.rank(sample_groups()) == rankkit.load_here("sharpness").rank(sample_groups())
