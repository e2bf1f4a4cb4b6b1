"""The largest mail through an upload session: it is streamed from the blob, in a process whose memory is watched."""

import asyncio
import base64
import json
import os
import random
import sys

import pytest

from email_core.assembly import utc_now
from email_core.record import EmailRecord
from tests.fakes.graph import CLIENT, TENANT
from tests.support.azurite import ROOT
from tests.support.emails import email
from tests.support.graph import MIME, authority, graph_server
from tests.support.storage import all_azure_stores

SIZE = 150 * 1024 * 1024  # octets of the mail
MOST_OVER_IDLE = 64 * 1024 * 1024
SECONDS = 240

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


def large_mime() -> bytes:
    head = (
        b"From: ann@contoso.com\r\nTo: bob@example.com\r\nSubject: Large\r\nMessage-ID: <large@contoso.com>\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n'
        b"Content-Type: application/zip; name=large.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    lines = base64.encodebytes(random.Random(1).randbytes(57 * 1000)).replace(b"\n", b"\r\n")
    end = b"--b--\r\n"
    return head + lines * ((SIZE - len(head) - len(end)) // len(lines)) + end


async def keep(stores, mime: bytes) -> EmailRecord:
    record = email(utc_now(), provider="graph", size=len(mime))
    await stores.emails.insert(record, mime)
    return record


async def test_peak_of_150_mb_is_under_64_mb_over_idle(storage_connection, tmp_path):
    authority().cert_pem.write_to_path(tmp_path / "ca.pem")
    async with graph_server(keeps_content=False) as server:
        async with all_azure_stores(storage_connection) as stores:
            emails = [await keep(stores, mime) for mime in (MIME, large_mime())]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.graph_sender"),
            cwd=ROOT,
            env=environment(storage_connection, server, emails, tmp_path / "ca.pem"),
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate()
    assert process.returncode == 0
    measured = json.loads(output)
    print(measured)
    assert server.sessions
    assert emails[1].size > 0.99 * SIZE
    assert measured["peak"] - measured["idle"] < MOST_OVER_IDLE, measured


def environment(connection, server, emails, ca) -> dict[str, str]:
    parameters = {
        "graph_credential": "secret",
        "graph_tenant_id": TENANT,
        "graph_client_id": CLIENT,
        "graph_address": server.address,
        "graph_login_address": server.address,
    }
    return {
        **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        **{f"EmailParameters__{name}": value for name, value in parameters.items()},
        "EmailStorage": connection,
        "EMAILS": " ".join(one.id for one in emails),
        "SSL_CERT_FILE": str(ca),
        "REQUESTS_CA_BUNDLE": str(ca),
    }
