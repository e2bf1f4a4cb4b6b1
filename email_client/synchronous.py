"""The client for programs without asyncio."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self, Unpack, cast

import httpx

from email_client import calls
from email_client.calls import Call
from email_client.errors import error_of
from email_client.patience import Patience
from email_client.shapes import Accepted, BatchItem, DryRun, Email, Filters, NewEmail


class EmailClient:
    """All methods raise EmailError. Keep one client and share it between threads: it keeps its connections."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        token: Callable[[], str] | None = None,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        **options: Any,
    ) -> None:
        """`url` is the function app's. Either `key`, a function key, or `token`, which returns an access
        token for the app each time it is called, or none on a developer's machine. `options` are those of
        httpx.Client."""
        headers = {"x-functions-key": key} if key else {}
        self._http = httpx.Client(base_url=calls.origin(url), headers=headers, **{"timeout": 60.0, **options})
        self._token = token
        self._patience = patience or Patience()
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def send(self, email: NewEmail, *, idempotency_key: str | None = None) -> Accepted:
        """Hands an email over: when this returns, it is safe. It is tried again where an answer is lost, and is yet one
        email; give a key of your own where your program itself may come to this point twice."""
        return cast(Accepted, self._make(calls.send(email, idempotency_key)).json())

    def dry_run(self, email: NewEmail) -> DryRun:
        """What would happen. Nothing is kept."""
        return cast(DryRun, self._make(calls.dry_run(email)).json())

    def batch(self, emails: Sequence[NewEmail]) -> list[BatchItem]:
        """Hands over up to 100 emails; each has its own answer, in their order. Nothing is tried again once the request
        may have arrived: where no answer comes, look before you send them again."""
        return cast("list[BatchItem]", self._make(calls.batch(emails)).json()["items"])

    def get(self, email_id: str) -> Email:
        return cast(Email, self._make(calls.get(email_id)).json())

    def list(self, **filters: Unpack[Filters]) -> Iterator[Email]:
        """What has ended, or with `view="unsent"` what has not, newest first; page after page is read as you go on."""
        cursor = None
        while True:
            page = self._make(calls.page(filters, cursor)).json()
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def wait(self, email_id: str, seconds: float = 60.0) -> Email:
        """The email when it has ended: Sent, Failed, Expired or Canceled. Raises TimeoutError after so many seconds."""
        for pause in calls.pauses(seconds):
            self._sleep(pause)
            email = self.get(email_id)
            if email["ended_at"] is not None:
                return email
        raise TimeoutError(f"the email {email_id} has not ended within {seconds} s")

    def cancel(self, email_id: str) -> Email:
        """Takes an unsent email back. Raises EmailError with status 409 where it is too late."""
        return cast(Email, self._make(calls.cancel(email_id)).json())

    def resend(self, email_id: str) -> Accepted:
        """Sends an ended email once more, as a new one."""
        return cast(Accepted, self._make(calls.resend(email_id)).json())

    def eml(self, email_id: str, *, draft: bool = False) -> bytes:
        """The message as it was sent, or as a draft for a mail app."""
        return self._make(calls.eml(email_id, draft=draft)).content

    def draft(self, email: NewEmail) -> bytes:
        """An email as a file that opens in the user's own mail app, ready to send. Nothing is kept."""
        return self._make(calls.draft(email)).content

    def _make(self, call: Call) -> httpx.Response:
        tried = 0
        while True:
            tried += 1
            outcome = self._tried(call)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return outcome
            wait = self._patience.wait(call, outcome, tried)
            if wait is None:
                raise error_of(outcome) from (outcome if isinstance(outcome, Exception) else None)
            self._sleep(wait)

    def _tried(self, call: Call) -> httpx.Response | httpx.TransportError:
        headers = {**call.headers, **({"Authorization": f"Bearer {self._token()}"} if self._token else {})}
        try:
            return self._http.request(call.method, call.path, params=call.query, json=call.body, headers=headers)
        except httpx.TransportError as error:
            return error
