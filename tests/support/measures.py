"""What was measured, as a reader of the SDK sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

from opentelemetry import metrics
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

Key = tuple[tuple[str, str], ...]


@dataclass
class Measured:
    """By name and attributes: a counter's or gauge's value, a histogram's sum."""

    values: dict[str, dict[Key, float]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> dict[str, float]:
        """By the attributes' values, joined: `{"smtp batch": 1}`."""
        return {" ".join(value for _, value in key): value for key, value in self.values.get(name, {}).items()}

    @property
    def all(self) -> dict[str, float]:
        """`{"email.sent smtp batch": 1}`."""
        return {f"{name} {values}": value for name in self.values for values, value in self[name].items()}

    @property
    def names(self) -> set[str]:
        return set(self.values)


@cache
def _reader() -> InMemoryMetricReader:
    """There is one provider a process: it can be set only once. What is read is gone, as on Azure."""
    delta = dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)
    reader = InMemoryMetricReader(preferred_temporality=delta)
    metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
    return reader


@contextmanager
def measuring() -> Iterator[Measured]:
    """Filled at the end with what was measured meanwhile."""
    reader, measured = _reader(), Measured()
    reader.get_metrics_data()  # what others left
    yield measured
    data = reader.get_metrics_data()
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                points = {tuple(one.attributes.items()): _value(one) for one in metric.data.data_points}
                measured.values.setdefault(metric.name, {}).update(points)


def _value(point) -> float:
    return point.value if hasattr(point, "value") else point.sum
