"""A real Postfix, with Dovecot to sign in, as an organization's submission server is set up."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.support.azurite import free_port
from tests.support.daemons import need, private_folder, running, write_certificate

POSTFIX, MASTER = "/usr/sbin/postfix", "/usr/lib/postfix/sbin/master"
SIZE_LIMIT = 200_000
RECIPIENT_LIMIT = 5

_INTERNAL = """\
qmgr     unix       n - n 300 1 qmgr
postlog  unix-dgram n - n -   1 postlogd
cleanup  unix       n - n -   0 cleanup
rewrite  unix       - - n -   - trivial-rewrite
bounce   unix       - - n -   0 bounce
defer    unix       - - n -   0 bounce
trace    unix       - - n -   0 bounce
tlsmgr   unix       - - n -   1 tlsmgr
proxymap unix       - - n -   - proxymap
smtp     unix       - - n -   - smtp
error    unix       - - n -   - error
retry    unix       - - n -   - error
anvil    unix       - - n -   1 anvil
"""


@dataclass(frozen=True)
class Postfix:
    """Ports: `plain` offers no encryption and no sign-in, `clear` a sign-in without encryption, `starttls` and `tls`
    demand both, and so does `login`, by that method alone."""

    plain: int
    clear: int
    starttls: int
    tls: int
    login: int


@contextmanager
def running_postfix(authority: trustme.CA, sign_in_socket: Path, next_hop: int) -> Iterator[Postfix]:
    """Accepted mail goes to 127.0.0.1:`next_hop`. `sign_in_socket` is Dovecot's."""
    need(POSTFIX, MASTER)
    with private_folder("postfix-") as folder:
        chain, key = write_certificate(authority, folder)
        postfix = Postfix(*(free_port() for _ in range(5)))
        for name in ("queue", "data", "etc"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        (folder / "etc/main.cf").write_text(_main(folder, chain, key, sign_in_socket, next_hop))
        (folder / "etc/master.cf").write_text(_master(postfix))
        command = [POSTFIX, "-c", str(folder / "etc")]
        with running([*command, "start-fg"], postfix.plain, folder / "log", stop=[*command, "stop"]):
            yield postfix


def _main(folder: Path, chain: Path, key: Path, sign_in_socket: Path, next_hop: int) -> str:
    return f"""
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_protocols = ipv4
myhostname = mail.contoso.test
mydestination =
alias_maps =
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{next_hop}
smtp_host_lookup = native
smtputf8_enable = yes
smtpd_error_sleep_time = 0
message_size_limit = {SIZE_LIMIT}
smtpd_recipient_limit = {RECIPIENT_LIMIT}
smtpd_recipient_overshoot_limit = 1
smtpd_tls_cert_file = {chain}
smtpd_tls_key_file = {key}
smtpd_sasl_type = dovecot
smtpd_sasl_path = {sign_in_socket}
smtpd_sasl_security_options = noanonymous
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject
transport_maps = inline:{{ {{ full@example.com = error:5.2.2 Mailbox full }} }}
smtpd_sender_login_maps = inline:{{ {{ ann@contoso.com = ann }} {{ boss@contoso.com = boss }} }}
smtpd_recipient_restrictions =
    reject_non_fqdn_recipient,
    check_recipient_access inline:{{
        {{ grey@example.com = 450 4.2.0 Greylisted, see you in 5 minutes }}
        {{ unknown@example.com = 550 5.1.1 No such user here }}
        {{ closing@example.com = 421 4.3.2 Service shutting down }} }}
"""


def _master(postfix: Postfix) -> str:
    signs_in = "-o smtpd_sasl_auth_enable=yes -o smtpd_sender_restrictions=reject_sender_login_mismatch"
    encrypted = f"{signs_in} -o smtpd_tls_auth_only=yes -o mynetworks= -o smtpd_tls_security_level=encrypt"
    return f"""\
127.0.0.1:{postfix.plain} inet n - n - - smtpd
127.0.0.1:{postfix.clear} inet n - n - - smtpd {signs_in}
127.0.0.1:{postfix.starttls} inet n - n - - smtpd {encrypted}
127.0.0.1:{postfix.tls} inet n - n - - smtpd {encrypted} -o smtpd_tls_wrappermode=yes
127.0.0.1:{postfix.login} inet n - n - - smtpd {encrypted} -o smtpd_sasl_mechanism_filter=login
{_INTERNAL}"""
