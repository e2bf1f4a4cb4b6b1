"""What `make run` says when everything is there."""

from dataclasses import replace
from pathlib import Path

import pytest

from dev.environment import BATCH_PROVIDER, SMTP_PORT, SMTP_SERVER
from dev.ports import Ports
from dev.run import addresses

PORTS = Ports()
INBOX = {SMTP_SERVER: "127.0.0.1", SMTP_PORT: "1025"}
GRAPH = INBOX | {BATCH_PROVIDER: "graph"}


@pytest.mark.parametrize(
    ("ports", "environment", "where"),
    [
        (PORTS, INBOX, "to the inbox"),
        (PORTS, INBOX | {SMTP_PORT: "2525"}, "to 127.0.0.1, as your settings say, not to the inbox"),
        (
            PORTS,
            INBOX | {SMTP_SERVER: "smtp.contoso.com"},
            "to smtp.contoso.com, as your settings say, not to the inbox",
        ),
        (PORTS, {SMTP_SERVER: ""}, "to the server of smtp_preset, as your settings say, not to the inbox"),
        (PORTS, GRAPH, "through graph"),
        (replace(PORTS, graph=9), GRAPH, "through graph, the stand-in, to the inbox"),
    ],
)
def test_banner_says_where_mail_goes(ports, environment, where):
    assert f"  Mail goes    {where}\n" in addresses(ports, Path(".local"), environment)
