"""The same client for programs with asyncio."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Self, Unpack, cast

import httpx

from email_client import calls
from email_client.calls import Call
from email_client.errors import error_of
from email_client.patience import Patience
from email_client.shapes import Accepted, BatchItem, DryRun, Email, Filters, NewEmail


class AsyncEmailClient:
    """All methods raise EmailError. Keep one client for each event loop: it keeps its connections."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        token: Callable[[], str | Awaitable[str]] | None = None,
        patience: Patience | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        **options: Any,
    ) -> None:
        """`url` is the function app's. Either `key`, a function key, or `token`, which returns an access
        token for the app each time it is called, at once or when it is awaited, or none on a developer's machine.
        `options` are those of httpx.AsyncClient."""
        headers = {"x-functions-key": key} if key else {}
        self._http = httpx.AsyncClient(base_url=calls.origin(url), headers=headers, **{"timeout": 60.0, **options})
        self._token = token
        self._patience = patience or Patience()
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, email: NewEmail, *, idempotency_key: str | None = None) -> Accepted:
        """Hands an email over: when this returns, it is safe. It is tried again where an answer is lost, and is yet one
        email; give a key of your own where your program itself may come to this point twice."""
        return cast(Accepted, (await self._make(calls.send(email, idempotency_key))).json())

    async def dry_run(self, email: NewEmail) -> DryRun:
        """What would happen. Nothing is kept."""
        return cast(DryRun, (await self._make(calls.dry_run(email))).json())

    async def batch(self, emails: Sequence[NewEmail]) -> list[BatchItem]:
        """Hands over up to 100 emails; each has its own answer, in their order. Nothing is tried again once the request
        may have arrived: where no answer comes, look before you send them again."""
        return cast("list[BatchItem]", (await self._make(calls.batch(emails))).json()["items"])

    async def get(self, email_id: str) -> Email:
        return cast(Email, (await self._make(calls.get(email_id))).json())

    async def list(self, **filters: Unpack[Filters]) -> AsyncIterator[Email]:
        """What has ended, or with `view="unsent"` what has not, newest first; page after page is read as you go on."""
        cursor = None
        while True:
            page = (await self._make(calls.page(filters, cursor))).json()
            for email in page["items"]:
                yield email
            cursor = page["next"]
            if cursor is None:
                return

    async def wait(self, email_id: str, seconds: float = 60.0) -> Email:
        """The email when it has ended: Sent, Failed, Expired or Canceled. Raises TimeoutError after so many seconds."""
        for pause in calls.pauses(seconds):
            await self._sleep(pause)
            email = await self.get(email_id)
            if email["ended_at"] is not None:
                return email
        raise TimeoutError(f"the email {email_id} has not ended within {seconds} s")

    async def cancel(self, email_id: str) -> Email:
        """Takes an unsent email back. Raises EmailError with status 409 where it is too late."""
        return cast(Email, (await self._make(calls.cancel(email_id))).json())

    async def resend(self, email_id: str) -> Accepted:
        """Sends an ended email once more, as a new one."""
        return cast(Accepted, (await self._make(calls.resend(email_id))).json())

    async def eml(self, email_id: str, *, draft: bool = False) -> bytes:
        """The message as it was sent, or as a draft for a mail app."""
        return (await self._make(calls.eml(email_id, draft=draft))).content

    async def draft(self, email: NewEmail) -> bytes:
        """An email as a file that opens in the user's own mail app, ready to send. Nothing is kept."""
        return (await self._make(calls.draft(email))).content

    async def _make(self, call: Call) -> httpx.Response:
        tried = 0
        while True:
            tried += 1
            outcome = await self._tried(call)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return outcome
            wait = self._patience.wait(call, outcome, tried)
            if wait is None:
                raise error_of(outcome) from (outcome if isinstance(outcome, Exception) else None)
            await self._sleep(wait)

    async def _tried(self, call: Call) -> httpx.Response | httpx.TransportError:
        headers = dict(call.headers)
        if self._token:
            token = self._token()
            headers["Authorization"] = f"Bearer {await token if inspect.isawaitable(token) else token}"
        try:
            return await self._http.request(call.method, call.path, params=call.query, json=call.body, headers=headers)
        except httpx.TransportError as error:
            return error
