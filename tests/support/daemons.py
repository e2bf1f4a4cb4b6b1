"""Real mail servers for tests: private instances of Debian's, with a folder and ports of their own.

They must be started by root. Where that or a package is missing, the tests that need one are skipped on a laptop, and
fail in CI.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from tests.support.azurite import wait_for_port


def need(*programs: str) -> None:
    """Skips, or in CI fails, where the tests' servers cannot run."""
    missing = [program for program in programs if not Path(program).exists()]
    if os.getuid() != 0:
        missing.append("root's rights")
    if missing and os.environ.get("CI"):
        pytest.fail(f"CI must have {', '.join(missing)}: see .ci/run")
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: see CONTRIBUTING.md")


@contextmanager
def private_folder(prefix: str) -> Iterator[Path]:
    """Not pytest's: the servers' own users must be able to enter it, and a socket's path must be short."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(command: list[str], port: int, log: Path, stop: list[str] | None = None) -> Iterator[None]:
    """A server in the foreground, ended by the command `stop` or with SIGTERM. Its log is added to the error when it
    does not start."""
    with log.with_suffix(".out").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        try:
            wait_for_port(port, process)
        except RuntimeError as error:
            for file in (log, log.with_suffix(".out")):
                error.add_note(file.read_text(errors="replace")[-3000:] if file.exists() else f"{file}: none")
            raise
        yield
    finally:
        if stop is None or subprocess.run(stop, capture_output=True, timeout=20).returncode:
            process.terminate()
        process.wait(timeout=10)


def write_certificate(authority: trustme.CA, folder: Path) -> tuple[Path, Path]:
    """The files of a certificate for 127.0.0.1 and of its key."""
    certificate = authority.issue_cert("127.0.0.1")
    chain, key = folder / "server.pem", folder / "server.key"
    chain.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    key.chmod(0o600)
    return chain, key
