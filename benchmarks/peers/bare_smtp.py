"""Bare aiosmtplib, in this process: no queue, no storage, a few kept connections, octets that are ready to go."""

import asyncio
import time

import aiosmtplib

from benchmarks.load import SMALL_MAIL

MIME = b"From: ann@contoso.com\r\nTo: bob@example.com\r\nSubject: Bare\r\n\r\n" + str(SMALL_MAIL["text"]).encode()


def emails_a_second(smtp_port: int, emails: int, connections: int = 8) -> float:
    return asyncio.run(_send(smtp_port, emails, connections))


async def _send(smtp_port: int, emails: int, connections: int) -> float:
    remaining = iter(range(emails))

    async def connection() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=smtp_port, start_tls=False) as client:
            for _ in remaining:
                await client.sendmail("ann@contoso.com", ["bob@example.com"], MIME)

    started = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(connections)))
    return emails / (time.perf_counter() - started)
