"""Files of a developer's machine: who can read them, and what becomes of them when something fails."""

import errno
import logging
import os
import stat
import traceback
from pathlib import Path

import pytest

from email_core.errors import ConfigurationError, SecretFault, SecretUnreadable
from email_core.secret_store.base import SecretName
from email_core.secret_store.file import FileSecrets

NAME = SecretName.SMTP_PASSWORD


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "not yet" / "secrets"


@pytest.fixture
def secrets(folder: Path) -> FileSecrets:
    return FileSecrets(folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def trouble(secrets: FileSecrets) -> SecretUnreadable:
    with pytest.raises(SecretUnreadable) as raised:
        await secrets.get(NAME)
    return raised.value


async def test_only_the_owner_can_read_a_secret_whatever_the_umask(secrets, folder):
    before = os.umask(0)
    try:
        await secrets.put(NAME, "hunter2")
    finally:
        os.umask(before)
    assert (mode(folder), mode(folder / NAME)) == (0o700, 0o600)


@pytest.mark.parametrize("wide", [0o644, 0o660, 0o604])
async def test_file_that_others_can_read_is_mended_and_told_of(secrets, folder, caplog, wide):
    await secrets.put(NAME, "hunter2")
    (folder / NAME).chmod(wide)
    assert await secrets.get(NAME) == "hunter2"
    assert mode(folder / NAME) == 0o600
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_file_that_others_can_read_for_good_is_refused(secrets, folder, monkeypatch):
    await secrets.put(NAME, "hunter2")
    (folder / NAME).chmod(0o644)
    monkeypatch.setattr(os, "fchmod", lambda *_: None)  # as on a file system that keeps no modes
    error = await trouble(secrets)
    assert error.reason is SecretFault.FORBIDDEN
    assert "LOCAL_DIR" in error.fix


async def test_another_s_file_is_forbidden_and_the_fix_names_it(secrets, folder, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", denied)  # the tests may run as root, whom nothing is denied
    error = await trouble(secrets)
    assert error.reason is SecretFault.FORBIDDEN
    assert str(folder / NAME) in error.fix


async def test_folder_in_the_place_of_the_file_is_told_of(secrets, folder):
    (folder / NAME).mkdir(parents=True)
    error = await trouble(secrets)
    assert error.reason is SecretFault.UNREACHABLE
    assert "it is something else" in error.fix


async def test_link_is_not_followed_and_what_it_points_to_stays_as_it_is(secrets, folder, tmp_path):
    target = tmp_path / "elsewhere"
    target.write_text("of another program")
    target.chmod(0o644)
    folder.mkdir(parents=True)
    (folder / NAME).symlink_to(target)
    assert (await trouble(secrets)).reason is SecretFault.UNREACHABLE
    assert mode(target) == 0o644


async def test_pipe_is_told_of_and_not_waited_for(secrets, folder):
    folder.mkdir(parents=True)
    os.mkfifo(folder / NAME)
    assert (await trouble(secrets)).reason is SecretFault.UNREACHABLE


async def test_folder_that_others_can_write_to_is_mended_and_told_of(secrets, folder, caplog):
    await secrets.put(NAME, "hunter2")
    for verb in (lambda: secrets.get(NAME), lambda: secrets.put(NAME, "hunter2")):
        folder.chmod(0o777)
        await verb()
        assert mode(folder) == 0o700
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2


async def test_file_in_the_place_of_the_folder_is_told_of(secrets, folder):
    folder.parent.parent.joinpath("not yet").write_text("")
    with pytest.raises(SecretUnreadable) as raised:
        await secrets.put(NAME, "hunter2")
    assert raised.value.reason is SecretFault.UNREACHABLE


async def test_line_break_of_an_editor_is_no_part_of_the_secret(secrets, folder):
    await secrets.put(NAME, "old")
    (folder / NAME).write_text("hunter2\n")
    assert await secrets.get(NAME) == "hunter2"


@pytest.mark.parametrize("content", ["", "\n"])
async def test_empty_file_is_no_secret(secrets, folder, content):
    await secrets.put(NAME, "old")
    (folder / NAME).write_text(content)
    assert (await trouble(secrets)).reason is SecretFault.MISSING
    assert not (await secrets.about(NAME)).set


async def test_file_that_is_no_text_is_told_of_without_what_is_in_it(secrets, folder):
    await secrets.put(NAME, "old")
    (folder / NAME).write_bytes(b"hunter2\xff")
    error = await trouble(secrets)
    assert error.reason is SecretFault.UNREACHABLE
    assert "hunter2" not in "".join(traceback.format_exception(error))


async def test_writing_that_fails_leaves_the_old_value_and_nothing_else(secrets, folder, monkeypatch):
    await secrets.put(NAME, "old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SecretUnreadable, match="No space left"):
        await secrets.put(NAME, "new")
    assert await secrets.get(NAME) == "old"
    assert list(folder.iterdir()) == [folder / NAME]


async def test_on_azure_no_verb_works_and_each_names_the_setting(folder):
    secrets = FileSecrets(folder, on_azure=True)
    for verb in (secrets.get(NAME), secrets.put(NAME, "hunter2"), secrets.about(NAME)):
        with pytest.raises(ConfigurationError) as raised:
            await verb
        assert raised.value.setting == "EmailSecrets__vaultUri"
    assert not folder.exists()
