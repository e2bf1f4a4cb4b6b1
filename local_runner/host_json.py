"""What the runner takes from `host.json`, with the defaults and limits of the real host."""

import os
import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from local_runner.errors import SettingsError
from local_runner.settings import read_json_object

TIME_SPAN = re.compile(r"(?:(?P<days>\d+)\.)?(?P<hours>\d\d?):(?P<minutes>\d\d?):(?P<seconds>\d\d?(?:\.\d+)?)")
ENCODINGS = ("base64", "none")


@dataclass(frozen=True)
class QueueOptions:
    """`extensions.queues`. Times are seconds.

    `visibility_timeout` is the delay after a failed run; it is not the lease (see queue_listener.LeaseTimes).
    At most `batch_size + new_batch_threshold` messages run at once, for each function.
    """

    batch_size: int = 16
    new_batch_threshold: int = 16 // 2 * (os.cpu_count() or 1)
    max_dequeue_count: int = 5
    max_polling_interval: float = 2.0  # 60 in Azure; the host itself shortens it in local development
    visibility_timeout: float = 0.0
    message_encoding: str = "base64"


@dataclass(frozen=True)
class HostOptions:
    route_prefix: str = "api"
    queues: QueueOptions = field(default_factory=QueueOptions)


def read_host_json(root: Path) -> HostOptions:
    """Raises SettingsError if host.json is missing, or a value is not one that the host takes."""
    path = root / "host.json"
    if not path.exists():
        raise SettingsError(f"{path} is missing: is {root} the folder of a Functions app?")
    extensions = _section(read_json_object(path), "extensions")
    prefix = _section(extensions, "http").get("routePrefix", "api")
    return HostOptions(str(prefix).strip("/"), queue_options(_section(extensions, "queues")))


def _section(content: dict[str, Any], name: str) -> dict[str, Any]:
    section = content.get(name, {})
    if not isinstance(section, dict):
        raise SettingsError(f"host.json: {name} must be an object")
    return section


def queue_options(queues: dict[str, Any]) -> QueueOptions:
    default = QueueOptions()
    batch_size = _whole_number(queues, "batchSize", default.batch_size, 1, 32)
    threshold = batch_size // 2 * (os.cpu_count() or 1)
    encoding = str(queues.get("messageEncoding", default.message_encoding)).lower()
    if encoding not in ENCODINGS:
        raise SettingsError(f"host.json: extensions.queues.messageEncoding must be one of {', '.join(ENCODINGS)}")
    return QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=_whole_number(queues, "newBatchThreshold", threshold, 0, 10_000),
        max_dequeue_count=_whole_number(queues, "maxDequeueCount", default.max_dequeue_count, 1, 10_000),
        max_polling_interval=max(0.1, _seconds(queues, "maxPollingInterval", default.max_polling_interval)),
        visibility_timeout=_seconds(queues, "visibilityTimeout", default.visibility_timeout),
        message_encoding=encoding,
    )


def _whole_number(queues: dict[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = queues.get(name, default)
    if type(value) is not int or not least <= value <= most:
        raise SettingsError(f"host.json: extensions.queues.{name} must be a whole number, {least} to {most}")
    return value


def _seconds(queues: dict[str, Any], name: str, default: float) -> float:
    if name not in queues:
        return default
    found = TIME_SPAN.fullmatch(str(queues[name]))
    if not found:
        raise SettingsError(f"host.json: extensions.queues.{name} must be a time like 00:00:02")
    return timedelta(**{unit: float(value) for unit, value in found.groupdict("0").items()}).total_seconds()
