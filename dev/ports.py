"""The ports of `make run`: which, whether they are free, and who sits on one that is not."""

import errno
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

HOST = "127.0.0.1"
GRAPH_PORT = 8443


class PortError(Exception):
    """A port cannot be used; the text names it and the variable that chooses another."""


@dataclass(frozen=True)
class Ports:
    http: int = 7071
    blob: int = 10000
    queue: int = 10001
    table: int = 10002
    smtp: int = 1025
    inbox: int = 1080
    graph: int | None = None  # of the stand-in of Microsoft Graph, where it is wanted

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Ports":
        """Azurite's three ports follow each other, so one variable moves them all."""
        azurite = _port(environment, "AZURITE_PORT", cls.blob, room_above=2)
        return cls(
            http=_port(environment, "HTTP_PORT", cls.http),
            blob=azurite,
            queue=azurite + 1,
            table=azurite + 2,
            smtp=_port(environment, "INBOX_SMTP_PORT", cls.smtp),
            inbox=_port(environment, "INBOX_WEB_PORT", cls.inbox),
            graph=_port(environment, "GRAPH_PORT", GRAPH_PORT) if _wants_graph(environment) else None,
        )

    def with_variables(self) -> list[tuple[int, str]]:
        """Each port with the variable that moves it."""
        graph = [] if self.graph is None else [(self.graph, "GRAPH_PORT")]
        return [
            *graph,
            (self.http, "HTTP_PORT"),
            (self.blob, "AZURITE_PORT"),
            (self.queue, "AZURITE_PORT"),
            (self.table, "AZURITE_PORT"),
            (self.smtp, "INBOX_SMTP_PORT"),
            (self.inbox, "INBOX_WEB_PORT"),
        ]


def _wants_graph(environment: Mapping[str, str]) -> bool:
    wanted = environment.get("GRAPH") or ""
    if wanted not in ("", "fake"):
        raise PortError(f"GRAPH={wanted} is not known: GRAPH=fake starts a stand-in; the real one needs none.")
    return wanted == "fake"


def _port(environment: Mapping[str, str], variable: str, default: int, room_above: int = 0) -> int:
    text = environment.get(variable) or str(default)
    highest = 65535 - room_above
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= highest):
        raise PortError(f"{variable}={text} is no port: choose a number from 1 to {highest}.")
    return int(text)


def require_free_ports(ports: Ports) -> None:
    """Raises PortError with one line for each port that is taken, may not be opened, or is named twice."""
    problems = []
    first_use: dict[int, str] = {}
    for port, variable in ports.with_variables():
        if port in first_use:
            problems.append(f"Port {port} is asked for twice, by {first_use[port]} and {variable}.")
        elif problem := _problem(port):
            problems.append(f"Port {port} {problem}: set {variable} to another.")
        first_use.setdefault(port, variable)
    if problems:
        raise PortError("\n".join(problems))


def _problem(port: int) -> str | None:
    with socket.socket() as probe:
        # As servers do, or the closed connections of the previous run would count as a holder.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            return "may not be opened by this user"
        except OSError as error:
            return _busy(port) if error.errno == errno.EADDRINUSE else f"cannot be opened ({error})"
    # where a bind succeeds beside a holder of every address, as on macOS
    return _busy(port) if is_answered(port) else None


def is_answered(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _busy(port: int) -> str:
    holder = _holder(port)
    return f"is in use by {holder}" if holder else "is in use"


def _holder(port: int) -> str:
    """The name and id of the listening process, as far as the system's tools tell this user."""
    if shutil.which("lsof"):
        fields = _output("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc").splitlines()
        by_kind = {field[0]: field[1:] for field in fields if field}
        return f"{by_kind['c']} (process {by_kind['p']})" if {"c", "p"} <= by_kind.keys() else ""
    if shutil.which("ss"):
        _, _, users = _output("ss", "-Hltnp", f"sport = :{port}").partition("users:")
        return users.strip()
    return ""


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout
