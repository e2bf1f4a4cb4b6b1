import os
import signal
import sys
from pathlib import Path

import pytest

from dev.services import Service, ServiceEnded, ServiceNotReady
from tests.support.azurite import free_port

LISTEN = "import socket, signal; server = socket.create_server(('127.0.0.1', {port}))\n"


def service(folder: Path, code: str, seconds_to_end: float = 10) -> Service:
    return Service(
        name="The child",
        command=[sys.executable, "-c", code],
        environment=dict(os.environ),
        directory=folder,
        log=folder / "child.log",
        seconds_to_end=seconds_to_end,
    )


async def test_a_service_that_opens_its_port_is_ready(tmp_path):
    port = free_port()
    child = service(tmp_path, LISTEN.format(port=port) + "signal.pause()")
    await child.start()
    await child.answers_on(port)
    await child.stop()
    assert await child.ended() == -signal.SIGTERM


async def test_a_service_that_opens_nothing_is_not_ready(tmp_path):
    child = service(tmp_path, "import signal; signal.pause()")
    await child.start()
    with pytest.raises(ServiceNotReady, match="The child did not open port"):
        await child.answers_on(free_port(), seconds=0.1)
    await child.stop()


async def test_stopping_waits_for_the_children_of_the_child(tmp_path):
    port = free_port()
    finishes_its_work = (
        "import signal, sys; signal.signal(15, lambda *_: (print('finished', flush=True), sys.exit())); "
    )
    grandchild = finishes_its_work + LISTEN.format(port=port).strip() + "; signal.pause()"
    child = service(tmp_path, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])")
    await child.start()
    await child.answers_on(port)
    await child.stop()
    assert (tmp_path / "child.log").read_text() == "finished\n"


async def test_a_service_that_will_not_end_is_killed(tmp_path, capsys):
    port = free_port()
    deaf = "import signal; signal.signal(15, signal.SIG_IGN)\n" + LISTEN.format(port=port) + "signal.pause()"
    child = service(tmp_path, deaf, seconds_to_end=0.1)
    await child.start()
    await child.answers_on(port)
    await child.stop()
    assert await child.ended() == -signal.SIGKILL
    assert "The child did not end" in capsys.readouterr().out


async def test_an_unexpected_end_is_told_with_the_last_words(tmp_path):
    child = service(tmp_path, "print('disk is full'); raise SystemExit(3)")
    await child.start()
    with pytest.raises(ServiceEnded, match=r"(?s)The child ended with exit code 3.*child\.log.*disk is full"):
        await child.fail_when_ended()


async def test_stopping_what_never_started_does_nothing(tmp_path):
    await service(tmp_path, "").stop()
