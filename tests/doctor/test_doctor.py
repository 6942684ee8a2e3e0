"""`rankkit doctor`: what it finds, what it calls broken, what it advises, and what it never shows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rankkit
from rankkit.doctor import devices, examine, network, packages, rankers, storage
from rankkit.doctor.findings import masked

ROOT = Path(rankkit.__file__).parents[1]
REAL_CHECK, NO_CHECK = packages.CHECK, ("-c", "")  # pip takes seconds, and is asked for real by one test
NO_GPU = 'print(\'{"cuda": null, "hip": null, "devices": []}\')'


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A machine without settings: no proxies, tokens, configuration or environments."""
    for name in (*network.OFFLINE, *network.TOKENS, *network.CERTIFICATES, "HF_ENDPOINT", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name in network.PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("RANKKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RANKKIT_CONFIG", str(tmp_path / "rankkit.toml"))
    monkeypatch.setattr(devices, "PROBE", NO_GPU)
    monkeypatch.setattr(packages, "CHECK", NO_CHECK)
    (tmp_path / "rankkit.toml").write_text("")
    return tmp_path


@pytest.fixture
def site(place, monkeypatch):
    """A function that leaves a distribution where pip would, also for other processes."""
    folder = place / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, sys.path)]))

    def add(name, version="1.0", points="", requires=()):
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
        (info / "METADATA").write_text(
            "\n".join([*lines, *(f"Requires-Dist: {each}" for each in requires)]) + "\n"
        )
        (info / "entry_points.txt").write_text(f"[rankkit.rankers]\n{points}\n" if points else "")
        return folder

    return add


def found(topic, state, *words):
    """The findings of a topic in a state whose text or advice holds all these words."""
    every = [each for each in topic.findings() if each.state == state]
    return [each for each in every if all(word in each.text + each.advice for word in words)]


def doctor(*arguments):
    code = f"""
from rankkit.doctor import devices, packages
devices.PROBE, packages.CHECK = {NO_GPU!r}, {NO_CHECK!r}
from rankkit.cli import main
main()"""
    environment = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH") or str(ROOT)}
    command = [sys.executable, "-c", code, "doctor", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


# --- packages ---


def test_it_names_the_versions_that_a_report_of_a_bug_needs():
    texts = " ".join(each.text for each in packages.findings())
    assert all(
        word in texts
        for word in ("rankkit-t2i ", "Python 3", "Pillow ", "torch", "transformers", "open_clip")
    )


def test_the_unrelated_distribution_rankkit_is_broken_with_what_to_do(site):
    site("rankkit", "0.5")
    (one,) = found(packages, "broken", "ranking metrics")
    assert "rankkit 0.5" in one.text and "pip uninstall rankkit" in one.advice


def test_a_requirement_of_a_plugin_that_is_not_met_is_broken_and_one_of_others_worth_knowing(
    site, monkeypatch
):
    monkeypatch.setattr(packages, "CHECK", REAL_CHECK)
    site("rankkit-odd", points="odd = odd:odd", requires=["numpy<1"])
    site("quite-another", requires=["numpy<1"])
    unmet = {each.text.split()[0]: each for each in packages.findings() if "numpy<1" in each.text}
    assert (unmet["rankkit-odd"].state, unmet["quite-another"].state) == ("broken", "note")
    assert "pip install" in unmet["rankkit-odd"].advice


def test_a_missing_extra_is_a_note_with_the_command(monkeypatch):
    monkeypatch.setattr(packages.diagnose, "is_installed", lambda name: name != "pyarrow")
    assert found(packages, "note", "the extra parquet", "no pyarrow", "pip install 'rankkit-t2i[parquet]'")


# --- devices ---


def test_a_device_is_shown_with_its_free_memory(monkeypatch):
    one = {"name": "cuda:0 H100", "free": 3 * 2**30, "total": 80 * 2**30}
    monkeypatch.setattr(
        devices,
        "PROBE",
        f"print('noise'); print({json.dumps({'cuda': '13', 'hip': None, 'devices': [one]})!r})",
    )
    assert found(devices, "ok", "cuda:0 H100, 3.0 of 80.0 GiB free")


def test_a_torch_that_cannot_be_imported_is_broken_with_its_last_line(monkeypatch):
    monkeypatch.setattr(devices, "PROBE", "raise ImportError('libcudart.so.13: cannot open')")
    assert found(devices, "broken", "libcudart.so.13: cannot open")


def test_a_torch_that_hangs_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(devices, "PROBE", "import time; time.sleep(600)")
    monkeypatch.setattr(devices, "PATIENCE", 0.5)
    assert found(devices, "broken", "within 0.5 seconds")


def test_the_devices_of_the_real_torch_are_asked_without_importing_it_here():
    code = "import sys, rankkit.doctor.devices as d; list(d.findings()); assert 'torch' not in sys.modules"
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert run.returncode == 0, run.stderr


# --- storage and network ---


def test_a_cache_that_cannot_be_written_is_broken_unless_nothing_is_downloaded_anyway(place, monkeypatch):
    (place / "file").write_text("")
    monkeypatch.setenv("HF_HOME", str(place / "file"))
    assert found(storage, "broken", "weights", "HF_HOME")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert not found(storage, "broken") and found(storage, "note", "weights")
    assert found(network, "note", "HF_HUB_OFFLINE=1", "checkpoint=")


def test_the_hub_cache_follows_the_variables_of_the_hub(monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", "~/elsewhere")
    assert storage.hub_cache() == Path("~/elsewhere").expanduser()


def test_little_room_is_a_note_with_what_to_do(monkeypatch):
    monkeypatch.setattr(storage, "ROOM", dict.fromkeys(storage.ROOM, 2**60))
    assert len(found(storage, "note", "only", "set ")) == 3


def test_proxies_that_differ_by_case_are_a_note(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://one:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://two:3128")
    assert found(network, "note", "http_proxy=http://one:3128", "differ")


def test_certificates_that_are_not_there_are_broken(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    assert found(network, "broken", "SSL_CERT_FILE", "/nowhere/ca.pem")


# --- rankers ---


def test_a_broken_plugin_is_broken_and_one_that_lacks_an_extra_is_worth_knowing(site):
    folder = site("rankkit-bad", points="bad = bad_module:thing\nlacking = fine:thing [more]",
                  requires=['no-such-package; extra == "more"'])  # fmt: skip
    (folder / "fine.py").write_text("def thing(image): ...")
    assert found(rankers, "broken", "bad (rankkit-bad 1.0)", "bad_module is not there")
    assert found(rankers, "note", "lacking (rankkit-bad 1.0)", "no-such-package")


@pytest.mark.parametrize("toml, words", [
    ("[rankers.x", ["is no TOML"]),
    ("[rankers.x]\nurl = 'http://h'\ncolour = 1", ["colour"]),
    ("[rankers.x]\ncommand = ['/nowhere/bin/python']", ["/nowhere/bin/python", "rankkit install x --force"]),
    ("[rankers.x]\nurl = 'gpu7:8085'", ["gpu7:8085", "no address"]),
    ("[rankers.x]\nurl = 'http://h'\ntoken_env = 'NOT_SET_HERE'", ["NOT_SET_HERE"]),
])  # fmt: skip
def test_what_is_wrong_with_rankkit_toml_is_broken_and_names_the_file(place, toml, words):
    (place / "rankkit.toml").write_text(toml)
    assert found(rankers, "broken", "rankkit.toml", *words)


def test_one_bad_file_of_rankers_d_hides_no_other(place):
    (place / "rankers.d").mkdir()
    (place / "rankers.d" / "a.toml").write_text("nonsense")
    (place / "rankers.d" / "b.toml").write_text(f"[rankers.b]\ncommand = ['{sys.executable}']")
    (place / "rankers.d" / "c.toml").write_text(f"[rankers.b]\ncommand = ['{sys.executable}']")
    assert found(rankers, "broken", "a.toml") and found(rankers, "broken", "b.toml", "c.toml", "both name b")


def test_environments_are_complete_half_built_or_have_lost_their_python(place):
    for name, marker in {"half": None, "lost": {"rankkit": "0"}}.items():
        folder = place / "home" / "environments" / name
        folder.mkdir(parents=True)
        if marker:
            (folder / "rankkit.json").write_text(json.dumps(marker))
    assert found(rankers, "note", "half", "half-built", "rankkit install half --force")
    assert found(rankers, "broken", "lost", "lost its Python", "rankkit install lost --force")


# --- secrets and the command ---


@pytest.mark.parametrize("text", [
    "http://me:hunter22@proxy:3128", "me:hunter22@proxy:3128", "https://x:p@ss/hunter22@h/path",
    "token = hunter22", "API_KEY: 'hunter22'", "https://h/?token=hunter22&a=b", "password=hunter22",
])  # fmt: skip
def test_no_form_of_a_secret_passes(text):
    assert "hunter22" not in masked(text)


def test_what_is_no_secret_passes():
    text = "ranker x at http://gpu7:8085 takes its token from the variable GPU7_TOKEN; tokens: none"
    assert masked(text) == text


def test_no_secret_is_shown_whatever_is_wrong(place, monkeypatch):
    secrets = ("hf_abcdefgh", "hunter22", "sk-12345678", "87654321")
    monkeypatch.setenv("HF_TOKEN", secrets[0])
    monkeypatch.setenv("https_proxy", f"http://me:{secrets[1]}@proxy:3128")
    monkeypatch.setenv("HTTPS_PROXY", f"me:{secrets[1]}@other:3128")
    monkeypatch.setenv("OPENAI_API_KEY", secrets[2])
    monkeypatch.setenv("HF_ENDPOINT", f"https://me:{secrets[1]}@mirror")
    (place / "rankkit.toml").write_text(
        f"[rankers.x]\nurl = 'http://me:{secrets[1]}@gpu7'\ntoken = {secrets[3]}\n"
    )
    shown = repr(list(examine()))
    assert not [secret for secret in secrets if secret in shown]
    assert "HF_TOKEN, OPENAI_API_KEY" in shown and "***@proxy:3128" in shown and "token = ***" in shown


def test_a_sound_machine_exits_with_0_and_a_broken_one_with_1_and_says_what_to_do(place):
    done = doctor("--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(set(each) == {"topic", "state", "text", "advice"} for each in json.loads(done.stdout))
    (place / "rankkit.toml").write_text("nonsense")
    done = doctor()
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "BROKEN  rankers" in done.stdout and "→ mend " in done.stdout
    assert done.stderr.count("\n") == 1 and "1 finding of" in done.stderr
