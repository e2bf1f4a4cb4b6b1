import os
import sys
from pathlib import Path

import pytest

from dev import setup
from dev.prerequisites import SetupError, describe_python, find_node, find_python
from dev.setup import Stamp, set_up_node, set_up_settings

ROOT = Path(__file__).parents[3]


def write_tool(folder: Path, name: str, says: str) -> None:
    tool = folder / name
    tool.write_text(f"#!/bin/sh\necho '{says}'\n")
    tool.chmod(0o755)


@pytest.fixture
def stamp(tmp_path: Path) -> Stamp:
    (tmp_path / "requirements.txt").write_text("one")
    return Stamp(tmp_path, [tmp_path / "requirements.txt"])


def test_a_folder_without_a_stamp_is_neither_current_nor_unfinished(stamp):
    assert not stamp.is_current()
    assert not stamp.is_unfinished()


def test_a_finished_folder_is_current_until_its_input_changes(stamp, tmp_path):
    stamp.begin()
    stamp.finish()
    assert stamp.is_current()
    (tmp_path / "requirements.txt").write_text("two")
    assert not stamp.is_current()


def test_an_interrupted_folder_is_known_as_such(stamp):
    stamp.finish()
    stamp.begin()
    assert stamp.is_unfinished()
    assert not stamp.is_current()


def test_node_packages_that_are_current_are_left_alone(tmp_path, monkeypatch):
    modules = tmp_path / "dev/node_modules"
    modules.mkdir(parents=True)
    inputs = [tmp_path / "dev/package.json", tmp_path / "dev/package-lock.json"]
    for path in inputs:
        path.write_text("{}")
    Stamp(modules, inputs).finish()
    monkeypatch.setenv("PATH", "")  # neither node nor npm can be asked
    assert set_up_node(tmp_path) is False


def test_settings_come_from_the_sample_once(tmp_path):
    (tmp_path / "local.settings.sample.json").write_text("sample")
    assert set_up_settings(tmp_path) is True
    (tmp_path / "local.settings.json").write_text("mine")
    assert set_up_settings(tmp_path) is False
    assert (tmp_path / "local.settings.json").read_text() == "mine"


def test_stdout_is_left_to_the_command_that_follows(tmp_path, monkeypatch, capsys):
    (tmp_path / "dev").mkdir()
    (tmp_path / "local.settings.sample.json").write_text("sample")
    monkeypatch.setattr(setup, "set_up_python", lambda root, chosen: False)
    monkeypatch.setattr(setup, "set_up_node", lambda root: False)
    setup.set_up(tmp_path, "")
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("setup: creating local.settings.json")


def test_an_interpreter_in_a_virtual_environment_names_the_one_outside():
    python = describe_python(sys.executable)
    assert python is not None
    assert python.version == sys.version_info[:2]
    assert not Path(python.executable).is_relative_to(sys.prefix)


@pytest.mark.parametrize("name", ["no-such-python", "true"])  # `true` answers nothing, as a shim may
def test_what_is_no_interpreter_describes_none(name):
    assert describe_python(name) is None


def test_a_python_that_is_too_old_is_refused_with_its_version(tmp_path):
    write_tool(tmp_path, "python", says='[[3, 9], "/usr/bin/python3.9", true]')
    with pytest.raises(SetupError, match=r"Python 3\.11, 3\.12 or 3\.13 is needed; PYTHON=.* has: Python 3\.9"):
        find_python(str(tmp_path / "python"))


def test_a_python_without_ensurepip_is_told_with_the_package_to_install(tmp_path):
    write_tool(tmp_path, "python", says='[[3, 12], "/usr/bin/python3.12", false]')
    with pytest.raises(SetupError, match=r"apt-get install python3-venv \(or python3\.12-venv\)"):
        find_python(str(tmp_path / "python"))


@pytest.mark.parametrize(
    ("tools", "told"),
    [
        ({}, "node none, npm none"),
        ({"node": "v18.19.0", "npm": "9"}, "node v18.19.0, npm /"),
        ({"node": "v20.1.0"}, "node v20.1.0, npm none"),
    ],
)
def test_a_missing_or_old_node_is_told(tmp_path, monkeypatch, tools, told):
    for name, says in tools.items():
        write_tool(tmp_path, name, says)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=told):
        find_node()


def test_a_node_that_is_new_enough_is_accepted(tmp_path, monkeypatch):
    for name, says in {"node": "v22.0.0", "npm": "10"}.items():
        write_tool(tmp_path, name, says)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep)
    find_node()


def test_the_lock_file_records_no_registry():
    assert '"resolved"' not in (ROOT / "dev/package-lock.json").read_text()
