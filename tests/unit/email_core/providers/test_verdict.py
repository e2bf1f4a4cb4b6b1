"""What the network said, in the words of a person; and what a diagnosis means for an email."""

import httpx
import pytest

from email_core.diagnosis import diagnose
from email_core.providers.base import OutcomeKind
from email_core.providers.graph.outcome import outcome_of_network
from email_core.providers.verdict import kind_of, no_connection, place_of, words_of


def behind(client_s: Exception, cause: Exception) -> Exception:
    client_s.__cause__ = cause
    return client_s


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            behind(httpx.ConnectError("All connection attempts failed"), OSError(111, "Connect call failed")),
            "nobody listens on graph.test:443: ConnectionRefusedError: [Errno 111] Connect call failed",
        ),
        (
            httpx.ConnectError("[Errno -2] Name or service not known"),
            "the name graph.test cannot be found: ConnectError: [Errno -2] Name or service not known",
        ),
        (
            httpx.ConnectError("[Errno -3] Temporary failure in name resolution"),
            "no name server says where graph.test is: ConnectError: [Errno -3] Temporary failure in name resolution",
        ),
        (httpx.ConnectTimeout(""), "graph.test:443 does not answer: ConnectTimeout"),
        (httpx.ReadError("reset by peer"), "no connection to the server: ReadError: reset by peer"),
    ],
)
def test_failure_of_the_network_is_told_in_plain_words(error, words):
    assert outcome_of_network(error, "https://graph.test/v1.0/users/x").reply == words


def test_server_is_not_blamed_where_it_is_not_named():
    words = no_connection(httpx.PoolTimeout(""), words_of, provider="graph", stage="connect", server="", port=0)
    assert words == "no connection to the server: PoolTimeout"


def test_place_of_an_address_has_its_port_or_the_usual_one():
    assert place_of("https://mail.contoso.com/EWS/Exchange.asmx") == ("mail.contoso.com", 443)
    assert place_of("https://127.0.0.1:8443") == ("127.0.0.1", 8443)


MENDABLE = [  # by an administrator of the sending side, while the email waits
    ("graph", 403, "403 ErrorAccountSuspend: Account suspended. Follow the instructions in your Inbox."),
    ("graph", 400, "400 ErrorMailboxDisabled: The mailbox is disabled."),
    ("graph", 400, "400 ErrorNonExistentMailbox: The mailbox does not exist."),
    ("graph", 400, "400 ErrorInvalidLicense: The user has no licence."),
    ("exchange", None, "ErrorAccountSuspend: Account suspended."),
    ("exchange", None, "ErrorMailboxConfiguration: The mailbox is not right."),
    ("smtp", 550, "550 5.7.501 Access denied, spam abuse detected. AS(4810)"),
    ("smtp", 550, "550 5.1.8 Access denied, bad outbound sender AS(42004)"),
    ("smtp", 550, "550 5.7.705 Access denied, tenant has exceeded threshold"),
    ("smtp", 550, "550 5.7.750 Service unavailable. Client blocked from sending from unregistered domains"),
    ("smtp", 550, "550 5.7.606 Access denied, banned sending IP [192.0.2.1]"),
]


@pytest.mark.parametrize(("provider", "code", "reply"), MENDABLE)
def test_what_an_administrator_can_mend_ends_no_email(provider, code, reply):
    stage = "mail" if provider == "smtp" else "request"
    found = diagnose(provider=provider, stage=stage, code=code, reply=reply)
    assert kind_of(found, stage, for_good=True) is not OutcomeKind.PERMANENT, found.id
