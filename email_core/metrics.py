"""What the app measures of itself, by OpenTelemetry: an instrument is a row here, and docs/reference/metrics.md is made
of the rows. On Azure the worker says where they go; where nobody does, they go nowhere and cost next to nothing.

An attribute has few values, and none of them tells which email it was, whose, or what it is about.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Observation, get_meter

from email_core.delivery_state import Status
from email_core.record import EmailRecord

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400)  # of a histogram's buckets
UNDIAGNOSED = "none"

_METER = get_meter("email")


@dataclass(frozen=True, slots=True)
class Metric:
    """`attributes`: the names of those that each of its values has."""

    name: str
    kind: str
    unit: str
    help: str
    attributes: tuple[str, ...]


METRICS: list[Metric] = []


class Gauge:
    """Tells each value once. OpenTelemetry's own would tell its last one for as long as the process lives, though
    another instance has long measured anew."""

    def __init__(self) -> None:
        self._untold: dict[tuple[tuple[str, str], ...], float] = {}

    def set(self, value: float, attributes: Mapping[str, str]) -> None:
        self._untold[tuple(attributes.items())] = value

    def tell(self, _: CallbackOptions) -> Iterable[Observation]:
        """Called by another thread, when metrics are exported."""
        while self._untold:
            attributes, value = self._untold.popitem()
            yield Observation(value, dict(attributes))


def _counter(name: str, unit: str, help: str, *attributes: str) -> Counter:
    METRICS.append(Metric(name, "counter", unit, help, attributes))
    return _METER.create_counter(name, unit, help)


def _seconds(name: str, help: str, *attributes: str) -> Histogram:
    METRICS.append(Metric(name, "histogram", "s", help, attributes))
    return _METER.create_histogram(name, "s", help, explicit_bucket_boundaries_advisory=SECONDS)


def _gauge(name: str, unit: str, help: str, *attributes: str) -> Gauge:
    METRICS.append(Metric(name, "gauge", unit, help, attributes))
    gauge = Gauge()
    _METER.create_observable_gauge(name, [gauge.tell], unit, help)
    return gauge


# ---- each email, where it is written

ACCEPTED = _counter("email.accepted", "{email}", "Emails taken in, safe from then on.", "provider", "mode")
SENT = _counter("email.sent", "{email}", "Emails that a provider took, for one recipient at least.", "provider", "mode")
FAILED = _counter(
    "email.failed", "{email}", "Emails that failed for good, by the last diagnosis.", "provider", "mode", "diagnosis"
)
EXPIRED = _counter("email.expired", "{email}", "Emails whose time was over before they were sent.", "provider", "mode")
CANCELED = _counter("email.canceled", "{email}", "Emails that were taken back.", "provider", "mode")
DEFERRED = _counter("email.deferred", "{deferral}", "Times that a sending limit made one wait.", "provider", "mode")
RETRIED = _counter(
    "email.retried",
    "{attempt}",
    "Attempts after which an email is tried again, by what stood in the way.",
    *("provider", "mode", "diagnosis"),
)
DELIVERY_SECONDS = _seconds(
    "email.delivery", "From accept, or from `send_at` where that is later, until Sent.", "provider", "mode"
)
ATTEMPT_SECONDS = _seconds("email.attempt", "One attempt of a provider, whatever became of it.", "provider", "outcome")

# ---- all unsent mail and what it depends on: by the timers, so that one instance tells it and not each of them

BACKLOG = _gauge("email.backlog", "{email}", "Unsent mail, every five minutes.", "mode")
OLDEST_SECONDS = _gauge(
    "email.oldest_unsent",
    "s",
    "How long the oldest email waits that is to be sent by now: not one that is held, scheduled, or parked until the "
    "distributor sends. Every five minutes.",
    "mode",
)
PROVIDER_PAUSED = _gauge(
    "email.provider.paused",
    "1",
    "1 from a provider's refusal until it works again, else 0. Every five minutes.",
    "provider",
)
SECRET_DAYS = _gauge(
    "email.secret.days_left",
    "d",
    "Whole days until a secret that is needed expires; 0 where it has. Nothing where the vault has no expiry date for "
    "it. Every hour.",
    "secret",
)

# ---- the doors

REQUESTS = _counter("email.requests", "{request}", "Requests to the API, by what was answered.", "operation", "status")
TIMER_RUNS = _counter("email.timer.runs", "{run}", "Runs of a timer that came to their end.", "timer")


_ENDS = {Status.SENT: SENT, Status.EXPIRED: EXPIRED, Status.CANCELED: CANCELED}


def accepted(record: EmailRecord) -> None:
    ACCEPTED.add(1, _about(record))


def changed(before: EmailRecord, after: EmailRecord) -> None:
    """What a write of an email's next version was: a deferral, a try that is made again, its end."""
    if after.ended:
        return _ended(after)
    if after.deferrals > before.deferrals:
        DEFERRED.add(1, _about(after))
    if after.tries > before.tries and not (before.held or after.held):
        RETRIED.add(1, _about(after) | {"diagnosis": _diagnosis(after)})
    return None


def _ended(record: EmailRecord) -> None:
    about = _about(record)
    if record.status is Status.FAILED:
        return FAILED.add(1, about | {"diagnosis": _diagnosis(record)})
    _ENDS[record.status].add(1, about)
    if record.status is Status.SENT and record.ended_at is not None:
        may_be_sent = max(record.created_at, record.send_at or record.created_at)
        DELIVERY_SECONDS.record(max((record.ended_at - may_be_sent).total_seconds(), 0.0), about)
    return None


def _about(record: EmailRecord) -> dict[str, str]:
    return {"provider": record.provider, "mode": record.mode.value}


def _diagnosis(record: EmailRecord) -> str:
    """Of the last attempt: an id of the catalogue."""
    return (record.attempts[-1].diagnosis if record.attempts else None) or UNDIAGNOSED
