"""Secrets in files of a developer's machine: one file each, which only its owner can read. Refused on Azure."""

import asyncio
import errno
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from email_core.errors import ConfigurationError, SecretFault, SecretUnreadable
from email_core.secret_store.base import VAULT_SETTING, SecretName, SecretState

_OTHERS = stat.S_IRWXG | stat.S_IRWXO

logger = logging.getLogger(__name__)


class FileSecrets:
    """`folder` is made with the first secret. With `on_azure` each verb raises ConfigurationError: an instance's disk
    is not the other instances', and no vault guards it."""

    def __init__(self, folder: Path, *, on_azure: bool = False) -> None:
        self._folder = folder
        self._on_azure = on_azure

    async def get(self, name: SecretName) -> str:
        return (await asyncio.to_thread(self._read, name))[0]

    async def put(self, name: SecretName, value: str) -> None:
        await asyncio.to_thread(self._write, name, value)

    async def about(self, name: SecretName) -> SecretState:
        try:
            _, written_at = await asyncio.to_thread(self._read, name)
        except SecretUnreadable as error:
            if error.reason is SecretFault.MISSING:
                return SecretState(set=False, updated_at=None)
            raise
        return SecretState(set=True, updated_at=written_at)

    def refresh(self, name: SecretName) -> None:
        """Nothing is cached."""

    def _read(self, name: SecretName) -> tuple[str, datetime]:
        path = self._path(name)
        with _translated(name, path), open(path, encoding="utf-8", newline="", opener=self._plain_file) as file:
            _keep_private(file.fileno(), 0o600, path)
            value = file.read().rstrip("\r\n")  # an editor ends a file with a line break, a value never does
            if not value:
                raise FileNotFoundError
            return value, datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)

    def _write(self, name: SecretName, value: str) -> None:
        path = self._path(name)
        with _translated(name, path):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(self._open_folder())
            descriptor, draft = tempfile.mkstemp(dir=self._folder, prefix=f".{name}.")  # with mode 600
            try:
                with open(descriptor, "w", encoding="utf-8", newline="") as file:
                    file.write(value)
                    file.flush()
                    os.fsync(descriptor)
                Path(draft).replace(path)
            finally:
                Path(draft).unlink(missing_ok=True)

    def _plain_file(self, path: str, flags: int) -> int:
        """Opens what nobody else put there: a link is not followed, and a pipe not waited for."""
        folder = self._open_folder()
        try:
            descriptor = os.open(Path(path).name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        finally:
            os.close(folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "it is something else")
        return descriptor

    def _open_folder(self) -> int:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _keep_private(descriptor, 0o700, self._folder)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _path(self, name: SecretName) -> Path:
        if self._on_azure:
            fix = "Set it to the vault's address: on Azure secrets are kept in Key Vault, not in files."
            raise ConfigurationError(VAULT_SETTING, "is not set", fix)
        return self._folder / name


class _NotPrivate(Exception):
    """Others can read what is at the path, and its file system keeps no modes."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path


def _keep_private(descriptor: int, mode: int, path: Path) -> None:
    if not os.fstat(descriptor).st_mode & _OTHERS:
        return
    os.fchmod(descriptor, mode)
    if os.fstat(descriptor).st_mode & _OTHERS:
        raise _NotPrivate(path)
    logger.warning("others could use %s, which is for secrets: it has mode %o now", path.name, mode)


@contextmanager
def _translated(name: SecretName, path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise SecretUnreadable(name, SecretFault.MISSING, f"Enter it: PUT /api/secrets/{name}.") from None
    except PermissionError as error:
        fix = f"Make {path} your own: chown, then chmod 600."
        raise SecretUnreadable(name, SecretFault.FORBIDDEN, fix) from error
    except _NotPrivate as error:
        fix = (
            f"Others can use {error.path}, and its file system keeps no modes: set LOCAL_DIR to a folder where modes "
            "count."
        )
        raise SecretUnreadable(name, SecretFault.FORBIDDEN, fix) from None
    except OSError as error:
        fix = f"See what keeps {path} from being a file here: {error.strerror}."
        raise SecretUnreadable(name, SecretFault.UNREACHABLE, fix) from error
    except UnicodeDecodeError:  # it holds what could not be read: not to be chained
        fix = f"{path} is not UTF-8. Enter it again: PUT /api/secrets/{name}."
        raise SecretUnreadable(name, SecretFault.UNREACHABLE, fix) from None
