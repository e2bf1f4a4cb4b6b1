"""A real Dovecot: it says to Postfix who may sign in, and is a submission server of its own, with XOAUTH2."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme

from tests.support.azurite import free_port
from tests.support.daemons import need, private_folder, running, write_certificate

DOVECOT, SUBMISSION = "/usr/sbin/dovecot", "/usr/lib/dovecot/submission"
PASSWORDS = {"ann": "right", "boss": "other"}
TOKEN = "eyJ0-a-token-of-ann"  # no password, and of nobody


@contextmanager
def running_sign_in() -> Iterator[Path]:
    """Only the question whether a password is right, over a socket that Postfix's users may open."""
    need(DOVECOT)
    with private_folder("dovecot-") as folder:
        port = free_port()
        lines = "".join(f"{user}:{{PLAIN}}{password}\n" for user, password in PASSWORDS.items())
        (folder / "users").write_text(lines)
        (folder / "dovecot.conf").write_text(f"""
{_common(folder)}
protocols =
auth_mechanisms = plain login cram-md5
disable_plaintext_auth = no
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users
}}
service auth {{
  unix_listener {folder}/sign-in {{
    mode = 0666
  }}
  inet_listener {{
    address = 127.0.0.1
    port = {port}
  }}
}}
""")
        with running(_command(folder), port, folder / "log"):
            yield folder / "sign-in"


@contextmanager
def running_submission(authority: trustme.CA, relay: int) -> Iterator[int]:
    """The port of a submission server that takes tokens; it hands the mail on to 127.0.0.1:`relay`."""
    need(DOVECOT, SUBMISSION)
    with private_folder("dovecot-") as folder, _tokens() as tokens:
        chain, key = write_certificate(authority, folder)
        port = free_port()
        (folder / "home").mkdir()
        (folder / "home").chmod(0o777)
        (folder / "oauth2.conf").write_text(f"""
tokeninfo_url = http://127.0.0.1:{tokens}/token/
username_attribute = user
active_attribute = active
active_value = yes
""")
        (folder / "dovecot.conf").write_text(f"""
{_common(folder)}
protocols = submission
auth_mechanisms = xoauth2 oauthbearer
ssl = required
ssl_cert = <{chain}
ssl_key = <{key}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}/home
}}
mail_location = maildir:{folder}/home
submission_relay_host = 127.0.0.1
submission_relay_port = {relay}
submission_relay_trusted = no
service submission-login {{
  chroot =
  inet_listener submission {{
    address = 127.0.0.1
    port = {port}
  }}
}}
""")
        with running(_command(folder), port, folder / "log"):
            yield port


def _command(folder: Path) -> list[str]:
    return [DOVECOT, "-F", "-c", str(folder / "dovecot.conf")]


def _common(folder: Path) -> str:
    return f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
listen = 127.0.0.1
first_valid_uid = 1
hostname = mail.contoso.test
service stats {{
  chroot =
}}
auth_failure_delay = 0
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""


class _TokenInfo(BaseHTTPRequestHandler):
    """Says of `GET /token/<token>` whose it is (RFC 7662 in the plain form that Dovecot asks for)."""

    def do_GET(self) -> None:
        known = self.path == f"/token/{TOKEN}"
        body = json.dumps({"user": "ann@contoso.com", "active": "yes"} if known else {"active": "no"}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: pytest shows what matters."""


@contextmanager
def _tokens() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _TokenInfo)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
