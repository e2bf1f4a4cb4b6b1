import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.ports import HOST, PortError, Ports, require_free_ports
from tests.support.azurite import free_port


def free_ports() -> Ports:
    return Ports(*(free_port() for _ in range(6)))


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_an_empty_environment_gives_the_documented_ports():
    assert Ports.from_environment({"HTTP_PORT": ""}) == Ports(7071, 10000, 10001, 10002, 1025, 1080)


def test_one_variable_moves_all_ports_of_the_storage():
    ports = Ports.from_environment({"AZURITE_PORT": "20000"})
    assert (ports.blob, ports.queue, ports.table) == (20000, 20001, 20002)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTP_PORT", "http"),
        ("HTTP_PORT", "0"),
        ("HTTP_PORT", "65536"),
        ("HTTP_PORT", "-1"),
        ("HTTP_PORT", "80.5"),
        ("AZURITE_PORT", "65534"),  # the table service would be at 65536
        ("INBOX_SMTP_PORT", "\u0661"),  # a digit, but not one of ours
        ("INBOX_WEB_PORT", "70000"),
    ],
)
def test_what_is_no_port_is_refused_by_the_name_of_its_variable(variable, value):
    with pytest.raises(PortError, match=f"{variable}={value}"):
        Ports.from_environment({variable: value})


def test_free_ports_are_accepted():
    require_free_ports(free_ports())


def test_a_busy_port_is_named_with_the_variable_that_moves_it(busy_port):
    free = free_ports()
    ports = Ports(free.http, free.blob, free.queue, busy_port, free.smtp, free.inbox)
    with pytest.raises(PortError, match=rf"Port {busy_port} is in use.*: set AZURITE_PORT to another"):
        require_free_ports(ports)


def test_the_holder_of_a_busy_port_is_named(busy_port, tmp_path: Path, monkeypatch):
    lsof = tmp_path / "lsof"
    lsof.write_text("#!/bin/sh\nprintf 'p4711\\ncnode\\nf18\\n'\n")
    lsof.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    free = free_ports()
    with pytest.raises(PortError, match=r"is in use by node \(process 4711\)"):
        require_free_ports(Ports(busy_port, free.blob, free.queue, free.table, free.smtp, free.inbox))


def test_every_problem_is_told_at_once(busy_port):
    free = free_ports()
    with pytest.raises(PortError) as refusal:
        require_free_ports(Ports(busy_port, free.blob, free.queue, free.table, free.smtp, inbox=free.smtp))
    assert f"Port {busy_port} is in use" in str(refusal.value)
    assert f"Port {free.smtp} is asked for twice, by INBOX_SMTP_PORT and INBOX_WEB_PORT" in str(refusal.value)


def test_stand_in_of_graph_has_a_port_only_where_it_is_wanted():
    assert Ports.from_environment({}).graph is None
    assert Ports.from_environment({"GRAPH": "fake"}).graph == 8443
    ports = Ports.from_environment({"GRAPH": "fake", "GRAPH_PORT": "9443"})
    assert (9443, "GRAPH_PORT") in ports.with_variables()
    with pytest.raises(PortError, match="GRAPH=real"):
        Ports.from_environment({"GRAPH": "real"})
