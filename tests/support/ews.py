"""The Exchange provider, and the stand-in that it talks to over real TLS."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from email_core.mailbox_slots import MailboxSlots
from email_core.parameters import Parameters
from email_core.providers.entra import Tokens
from email_core.providers.exchange import ExchangeProvider, ExchangeSettings
from email_core.secret_store.base import SecretName
from email_core.secret_store.memory import MemorySecrets
from email_core.stores.memory import MemoryMailboxStore
from tests.fakes.ews import PASSWORD, USER, EwsServer
from tests.support.emails import Clock
from tests.support.graph import authority, pause_of
from tests.support.shared_tools import checker


@asynccontextmanager
async def ews_server(**properties: Any) -> AsyncIterator[EwsServer]:
    """Every request and answer is checked by Exchange's own schema when the test is over, where the checker is here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("localhost").configure_cert(context)
    server = EwsServer(tls=context, **properties)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
    tool = checker("check_ews_xml")
    if tool is not None and (problems := [one for body in server.bodies for one in tool.check(body)]):
        raise AssertionError("\n".join(problems))


@asynccontextmanager
async def exchange_provider(
    server: EwsServer, *, password: str | None = PASSWORD, tokens: Tokens | None = None, **parameters: Any
) -> AsyncIterator[ExchangeProvider]:
    clock = Clock()
    secrets = MemorySecrets(clock)
    if password is not None:
        await secrets.put(SecretName.EXCHANGE_PASSWORD, password)
    settings = exchange_settings(server, **parameters)
    slots = MailboxSlots(
        MemoryMailboxStore(), provider="exchange", limit=settings.concurrency, clock=clock, pause=pause_of(clock)
    )
    provider = ExchangeProvider(settings, secrets, slots, tokens)
    try:
        yield provider
    finally:
        provider.close()


def exchange_settings(server: EwsServer, **parameters: Any) -> ExchangeSettings:
    usual = {
        "exchange_server": server.address,
        "exchange_authentication": "basic",
        "exchange_user_name": USER,
        "exchange_certificate_authority": authority().cert_pem.bytes().decode(),
    }
    return ExchangeSettings.from_parameters(Parameters(**usual | parameters))
