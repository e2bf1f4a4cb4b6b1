"""`make run` without its set-up: everything starts, answers, ends, and keeps what it was given."""

import os
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from azure.storage.queue import QueueClient

from dev.environment import storage_connection
from dev.ports import HOST, Ports
from tests.support.azurite import free_port, wait_for_port
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def free_ports() -> Ports:
    azurite = free_port(neighbours=2)
    return Ports(free_port(), azurite, azurite + 1, azurite + 2, free_port(), free_port())


class Project:
    """The project with its own folder for data and the sample's settings, whatever the developer's say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = free_ports()
        self.output = folder / "output.txt"
        for entry in ROOT.iterdir():
            if entry.name not in ("local.settings.json", ".local", ".git"):
                (folder / entry.name).symlink_to(entry)
        (folder / "local.settings.json").symlink_to(ROOT / "local.settings.sample.json")

    def start(self, **variables: str) -> subprocess.Popen:
        configured = ("EmailStorage", "AzureWebJobsStorage", "EmailParameters__", "LOCAL_DIR")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(configured)}
        environment |= {
            "HTTP_PORT": str(self.ports.http),
            "AZURITE_PORT": str(self.ports.blob),
            "INBOX_SMTP_PORT": str(self.ports.smtp),
            "INBOX_WEB_PORT": str(self.ports.inbox),
            **variables,
        }
        with self.output.open("w") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "dev.run"], cwd=self.folder, env=environment, stdout=output, stderr=output
            )

    @contextmanager
    def running(self, **variables: str) -> Iterator[subprocess.Popen]:
        process = self.start(**variables)
        try:
            wait_for_port(self.ports.http, process)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)

    def queue(self) -> QueueClient:
        return QueueClient.from_connection_string(storage_connection(self.ports), "kept")

    def inbox(self) -> list[str]:
        mails = httpx.get(f"http://{HOST}:{self.ports.inbox}/email", trust_env=False).json()
        return [mail["subject"] for mail in mails]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def children_of(process: subprocess.Popen) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


def group_lives(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def test_everything_answers_and_ends_with_nobody_left(project):
    with project.running() as process:
        assert httpx.get(f"http://{HOST}:{project.ports.http}/api/health", trust_env=False).status_code == 200
        assert "MailDev" in httpx.get(f"http://{HOST}:{project.ports.inbox}/", trust_env=False).text
        children = children_of(process)
        assert len(children) == 3  # storage, inbox, functions
    assert process.returncode == 0, project.output.read_text()
    assert [child for child in children if group_lives(child)] == []


def test_a_restart_keeps_storage_and_inbox(project):
    mail = EmailMessage()
    mail["Subject"] = "Read me tomorrow"
    with project.running():
        with project.queue() as queue:
            queue.create_queue()
            queue.send_message("a doorbell")
        with smtplib.SMTP(HOST, project.ports.smtp) as inbox:
            inbox.send_message(mail, "ann@example.com", ["bob@example.com"])
    with project.running():
        with project.queue() as queue:
            assert [message.content for message in queue.peek_messages()] == ["a doorbell"]
        assert project.inbox() == ["Read me tomorrow"]


def test_everything_ends_when_one_service_dies(project):
    with project.running() as process:
        children = children_of(process)
        os.kill(children[0], signal.SIGKILL)
        process.wait(timeout=60)
    assert process.returncode == 1
    assert "ended, killed by SIGKILL" in project.output.read_text()
    assert [child for child in children if group_lives(child)] == []


def test_a_busy_port_is_told_before_anything_starts(project):
    with project.running():
        with_same_ports = subprocess.run(
            [sys.executable, "-m", "dev.run"],
            cwd=project.folder,
            env=os.environ | {"HTTP_PORT": str(project.ports.http), "LOCAL_DIR": str(project.folder / "other")},
            capture_output=True,
            text=True,
        )
    assert with_same_ports.returncode == 1
    assert f"Port {project.ports.http} is in use" in with_same_ports.stdout
    assert "HTTP_PORT" in with_same_ports.stdout


def test_stand_in_of_graph_sends_what_the_functions_are_given(tmp_path):
    project = Project(tmp_path)
    graph = free_port()
    with project.running(GRAPH="fake", GRAPH_PORT=str(graph)):
        email = {"from": "ann@contoso.com", "to": ["bob@example.com"], "subject": "Through Graph", "text": "Hello"}
        api = f"http://{HOST}:{project.ports.http}/api"
        accepted = httpx.post(f"{api}/emails", json=email, trust_env=False).json()

        def read() -> dict:
            return httpx.get(f"{api}/emails/{accepted['id']}", trust_env=False).json()

        eventually(lambda: read()["status"] == "Sent", "the email is sent")
        assert read()["provider"] == "graph"
        assert project.inbox() == ["Through Graph"]
