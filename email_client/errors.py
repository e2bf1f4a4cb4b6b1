"""The one exception of this client."""

from typing import cast

import httpx

from email_client.shapes import FieldProblem, Problem


class EmailError(Exception):
    """The subsystem refused (`problem` is its answer), or could not be reached: then `problem` and `status` are None,
    and the cause is chained. `retry_after` is in seconds; `request_id` stands in the subsystem's log."""

    def __init__(
        self,
        message: str,
        *,
        problem: Problem | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.problem = problem
        self.status = status
        self.retry_after = retry_after
        self.request_id = request_id

    @property
    def errors(self) -> list[FieldProblem]:
        """Each field that is wrong, and what to do about it."""
        return self.problem.get("errors", []) if self.problem else []


def error_of(outcome: httpx.Response | httpx.TransportError) -> EmailError:
    if isinstance(outcome, httpx.TransportError):
        return EmailError(f"The email subsystem cannot be reached: {outcome or type(outcome).__name__}")
    problem = _problem(outcome)
    words = f"{problem['title']}: {problem['detail']}" if problem else outcome.reason_phrase
    return EmailError(
        f"{outcome.status_code} {words}",
        problem=problem,
        status=outcome.status_code,
        retry_after=retry_after(outcome),
        request_id=outcome.headers.get("X-Request-Id"),
    )


def retry_after(response: httpx.Response) -> float | None:
    """In seconds; None where nothing is said, or a date, which a gateway may say."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def _problem(response: httpx.Response) -> Problem | None:
    """What the host or a gateway answers by itself is none."""
    if not response.headers.get("Content-Type", "").startswith("application/problem+json"):
        return None
    try:
        return cast(Problem, response.json())
    except ValueError:
        return None
