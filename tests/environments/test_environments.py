"""Environments of their own: real virtual environments; the fast tests borrow this one's packages in place of
downloading them.
"""

import importlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import PathDistribution, distribution
from pathlib import Path

import pytest

import rankkit
from rankkit.environments import install, transplant
from rankkit.environments.install import home
from rankkit.environments.installers import BIN, Pip, Uv
from rankkit.environments.whole import MARKER
from rankkit.errors import BrokenRanker, RankkitError, UnknownRanker, UsageError
from rankkit.remote import config
from rankkit.remote.rankers import Pipe
from rankkit.testing.samples import sample_groups

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "rankkit-tiny"
version = "0.2.0"
dependencies = ["rankkit-t2i", "a-package-that-is-not-on-any-index"]
[project.entry-points."rankkit.rankers"]
tiny = "rankkit_tiny:tiny"
tiny-official = "rankkit_tiny.official:Official"
[tool.setuptools]
packages = ["rankkit_tiny"]
[tool.setuptools.package-data]
rankkit_tiny = ["official.txt", "official_setup.py"]
"""
OFFICIAL = """\
import sys
import rankkit
{imports}

class Official(rankkit.Pointwise):
    version = "tiny-weights"
    def score(self, image):
        return image.width + 0.1

    @property
    def where(self):
        return sys.prefix
"""


class Borrow(Pip):
    """An environment that sees this one's packages, except rankkit; whatever is to be downloaded is taken to
    be there.
    """

    def create(self, folder, python):
        lines = f"open(p, 'w').write({sysconfig.get_path('purelib') + chr(10)!r})"
        code = f"""import venv, pathlib
venv.create({str(folder)!r})
p = next(pathlib.Path({str(folder)!r}).glob('lib/*/site-packages')) / 'borrowed.pth'
{lines}"""
        return [python, "-c", code]

    def install(self, folder, arguments):
        if arguments[0] != "--no-deps":
            return [sys.executable, "-c", f"print({arguments!r})"]
        pip = [sys.executable, "-m", "pip", "--python", str(folder / BIN), "install", "--no-build-isolation"]
        return [*pip, *arguments]


class Refuse(Borrow):
    """pip finds nothing."""

    def install(self, folder, arguments):
        code = (
            "import sys; print('Collecting no-such-thing'); print('ERROR: No matching distribution', "
            "file=sys.stderr); sys.exit(3)"
        )
        return [sys.executable, "-c", code]


def write_plugin(folder, pins="", imports=""):
    module = folder / "rankkit_tiny"
    module.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (module / "__init__.py").write_text('"""Light."""\n\n\ndef tiny(image):\n    return 0.0\n')
    (module / "official.py").write_text(OFFICIAL.format(imports=imports))
    (module / "official.txt").write_text(pins)
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("RANKKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RANKKIT_CONFIG", str(tmp_path / "rankkit.toml"))
    return tmp_path


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site-packages with the plugin installed in it, as pip does it."""
    source, target = write_plugin(tmp_path_factory.mktemp("plugin") / "tiny"), tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        target,
        source,
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return target


@pytest.fixture
def installed(place, site, monkeypatch):
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    return place


def inside(folder, code):
    result = subprocess.run([folder / BIN, "-I", "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_an_installed_plugin_gets_an_environment_and_an_entry_and_ranks_from_there(installed):
    said = []
    folder = install.install("tiny-official", tool=Borrow(), say=said.append)
    assert (
        folder == home() / "tiny-official"
        and json.loads((folder / MARKER).read_text())["plugin"] == "rankkit-tiny 0.2.0"
    )
    assert config.places()["tiny-official"].command == (
        str(folder / BIN),
        "-I",
        "-m",
        "rankkit.serving.pipe",
        "tiny-official",
    )
    with rankkit.load("tiny-official") as ranker:
        assert isinstance(ranker, Pipe) and ranker.version == "0.2.0+tiny-weights"
        assert ranker.rank(sample_groups()) == rankkit.load_here("tiny-official").rank(sample_groups())
    for word in ("making", "official.txt", "numpy", "copying rankkit", "answers", "rankers.d"):
        assert any(word in line for line in said), word


def test_the_environment_holds_a_copy_of_this_rankkit_with_metadata_and_entry_points(installed):
    folder = install.install("tiny-official", tool=Borrow())
    found = json.loads(inside(folder, """if True:
        import json, rankkit, sysconfig
        from importlib.metadata import distribution, entry_points
        owners = [distribution(name) for name in ("rankkit-t2i", "rankkit-tiny")]
        print(json.dumps({"file": rankkit.__file__, "versions": [owner.version for owner in owners],
            "files": [str(f) for o in owners for f in o.files],
            "here": all(f.locate().is_file() for owner in owners for f in owner.files),
            "names": sorted(p.name for p in entry_points(group="rankkit.rankers"))}))"""))  # fmt: skip
    assert Path(found["file"]).is_relative_to(folder) and found["here"]
    assert found["versions"] == [distribution("rankkit-t2i").version, "0.2.0"]
    assert {"tiny", "tiny-official", "sharpness"} <= set(found["names"])
    source = Path(rankkit.__file__).parent
    for path in source.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert f"rankkit/{path.relative_to(source).as_posix()}" in found["files"]
    assert not any(file.startswith("drpo") or file.endswith(".pyc") for file in found["files"])


def test_the_worker_of_an_environment_sees_nothing_of_ours(installed, monkeypatch):
    install.install("tiny-official", tool=Borrow())
    (installed / "rankkit").mkdir()
    (installed / "rankkit" / "__init__.py").write_text("raise SystemExit('the wrong rankkit')")
    monkeypatch.chdir(installed)
    monkeypatch.setenv("PYTHONPATH", str(installed))
    with rankkit.load("tiny-official") as ranker:
        assert ranker.rank(sample_groups()[:1])[0].kind == "pointwise"


def test_a_plugin_can_come_from_a_folder_of_its_own_which_stays_as_it_is(place):
    source = write_plugin(place / "tiny")
    before = sorted(source.rglob("*"))
    install.install("tiny-official", plugin=source, tool=Borrow())
    assert [path for path in sorted(source.rglob("*")) if path not in before] == []
    with rankkit.load("tiny-official") as ranker:
        assert ranker.version == "0.2.0+tiny-weights"


def test_an_environment_that_is_complete_is_left_alone_unless_forced(installed):
    folder = install.install("tiny-official", tool=Borrow())
    (folder / "mine").touch()
    said = []
    install.install("tiny-official", tool=Refuse(), say=said.append)
    assert (folder / "mine").exists() and "is there already" in said[0] and "--force" in said[0]
    install.install("tiny-official", tool=Borrow(), force=True)
    assert not (folder / "mine").exists() and (folder / MARKER).exists()


def test_an_environment_of_another_rankkit_is_made_anew(installed):
    folder = install.install("tiny-official", tool=Borrow())
    about = json.loads((folder / MARKER).read_text())
    (folder / MARKER).write_text(json.dumps({**about, "rankkit": "0.0.1"}))
    install.install("tiny-official", tool=Borrow())
    assert json.loads((folder / MARKER).read_text()) == about


def test_a_failure_leaves_nothing_half_built_and_shows_the_last_lines(installed):
    with pytest.raises(
        RankkitError,
        match=(
            r"(?s)cannot be installed \(exit code 3\).*Collecting no-such-thing\n  ERROR: No matching "
            r"distribution"
        ),
    ):
        install.install("tiny-official", tool=Refuse())
    assert [path.name for path in home().iterdir()] == [".tiny-official.lock"] and not config.path().exists()


def test_a_failure_to_rebuild_leaves_the_environment_that_was_there(installed):
    folder = install.install("tiny-official", tool=Borrow())
    with pytest.raises(RankkitError, match="No matching distribution"):
        install.install("tiny-official", tool=Refuse(), force=True)
    assert sorted(path.name for path in home().iterdir()) == [".tiny-official.lock", "tiny-official"]
    with rankkit.load("tiny-official") as ranker:
        assert ranker.rank(sample_groups()) and (folder / MARKER).exists()


def test_a_worker_without_a_handshake_is_a_failure_too(place):
    source = write_plugin(place / "tiny", imports="import a_module_that_is_not_there")
    with pytest.raises(
        BrokenRanker, match=r"tiny-official .*cannot be imported: .*a_module_that_is_not_there"
    ):
        install.install("tiny-official", plugin=source, tool=Borrow())
    assert not (home() / "tiny-official").exists()


def test_an_installation_that_was_killed_is_cleared_away_and_the_one_before_it_comes_back(installed):
    folder = home() / "tiny-official"
    folder.mkdir(parents=True)
    (folder / "pyvenv.cfg").touch()
    said = []
    install.install("tiny-official", tool=Borrow(), say=said.append)
    assert "half-built" in said[0] and (folder / MARKER).exists()
    folder.rename(home() / ".tiny-official.old")  # killed while it was made anew
    folder.mkdir()
    (home() / ".tiny-official.building").touch()
    install.install("tiny-official", tool=Refuse())
    assert (folder / MARKER).exists() and not (home() / ".tiny-official.old").exists()


def test_a_folder_that_is_no_environment_is_not_removed(installed):
    (home() / "tiny-official").mkdir(parents=True)
    (home() / "tiny-official" / "thesis.txt").touch()
    with pytest.raises(RankkitError, match="is no environment of rankkit's; move it away"):
        install.install("tiny-official", tool=Borrow())
    assert (home() / "tiny-official" / "thesis.txt").exists()


def test_what_the_original_package_lacks_is_mended_by_the_plugin_in_the_new_environment_only(place):
    source = write_plugin(place / "tiny", imports="import mended")
    (source / "rankkit_tiny" / "official_setup.py").write_text(
        "import pathlib, sysconfig\npathlib.Path(sysconfig.get_path('purelib'), 'mended.py').touch()\n"
    )
    folder = install.install("tiny-official", plugin=source, tool=Borrow())
    assert inside(folder, "import mended; print(mended.__file__)").startswith(str(folder))


def test_two_installations_of_one_name_do_not_meet(installed):
    code = (
        "from rankkit.environments import install, whole\n"
        "with whole.locked(install.home() / 'tiny-official'): print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        with pytest.raises(RankkitError, match="is being installed by another process"):
            install.install("tiny-official", tool=Borrow())
        process.kill()


@pytest.mark.parametrize("name, error, says", [
    ("no-such-official", UnknownRanker, ("no installed plugin offers 'no-such-official'; install the plugin "
        "first")),
    ("sharpness", UsageError, "needs no environment of its own: its plugin brings no official.txt"),
    ("../x", UsageError, "cannot name an environment"),
])  # fmt: skip
def test_what_cannot_be_installed_is_said_before_anything_is_made(place, name, error, says):
    with pytest.raises(error, match=says):
        install.install(name, tool=Borrow())
    assert not home().exists()


def test_a_folder_without_official_txt_and_an_interpreter_that_is_not_there_are_refused(place):
    (place / "empty").mkdir()
    with pytest.raises(UsageError, match=r"holds no official\.txt"):
        install.install("x", plugin=place / "empty")
    with pytest.raises(RankkitError, match="/nowhere/python: No such file"):
        install.install(
            "tiny-official", plugin=write_plugin(place / "tiny"), python="/nowhere/python", tool=Pip()
        )


def test_an_official_ranker_that_cannot_be_imported_here_says_how_to_install_it(site, monkeypatch, tmp_path):
    broken = tmp_path / "site"
    shutil.copytree(site, broken)
    (broken / "rankkit_tiny" / "official.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(broken))
    monkeypatch.delitem(sys.modules, "rankkit_tiny", raising=False)
    monkeypatch.delitem(sys.modules, "rankkit_tiny.official", raising=False)
    with pytest.raises(
        BrokenRanker,
        match=r"a_module_that_is_not_there.*; rankkit install tiny-official makes an environment",
    ):
        rankkit.load_here("tiny-official")


def test_a_module_that_is_not_there_cannot_be_copied(site, tmp_path):
    (info,) = site.glob("*.dist-info")
    with pytest.raises(RankkitError, match=r"rankkit-tiny 0\.2\.0: its module no_such_module is not there"):
        transplant.copy(PathDistribution(info), ["no_such_module"], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "tool",
    [Pip, pytest.param(Uv, marks=pytest.mark.skipif(not shutil.which("uv"), reason="uv is not on PATH"))],
)
def test_the_command_makes_an_environment_with_packages_from_the_index(tool, place, tmp_path):
    source = write_plugin(place / "tiny", pins="iniconfig==2.1.0\n", imports="import iniconfig")
    path = (
        os.environ["PATH"]
        if tool is Uv
        else os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if not Path(p, "uv").exists())
    )
    command = [sys.executable, "-m", "rankkit", "install", "tiny-official", "--plugin", source]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=900, env={**os.environ, "PATH": path}
    )
    assert result.returncode == 0, result.stderr
    folder = Path(result.stdout.strip())
    assert inside(folder, "import iniconfig, numpy; print(iniconfig.__file__)").startswith(str(folder))
    with rankkit.load("tiny-official") as ranker:
        assert [ranking.scores[0] for ranking in ranker.rank(sample_groups())] == [
            group.images[0].width + 0.1 for group in sample_groups()
        ]
