"""The settings that `make run` gives to the storage's creation and to the functions.

They read local.settings.json as Azure's own tools do. `make run` steps in only where that file still says
what local.settings.sample.json says: those values mean "whatever runs on this machine", and the ports of
what runs may have been moved. A developer's own storage or mail server stays.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from dev.ports import HOST, Ports

# Azurite's account, the same on every machine: it is documented and guards nothing.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

STORAGE_SETTINGS = ("AzureWebJobsStorage", "EmailStorage")
SMTP_SERVER, SMTP_PORT = "EmailParameters__smtp_server", "EmailParameters__smtp_port"
ACCESS = "EmailAccess__mode"
BATCH_PROVIDER = "EmailParameters__batch_provider"


class SettingsError(Exception):
    """local.settings.json cannot be read; the text says what is wrong with it."""


def read_values(path: Path) -> dict[str, str]:
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))["Values"]
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise SettingsError(
            f'{path} must be JSON with an object "Values" ({type(error).__name__}: {error}); '
            "delete it to start from the sample again."
        ) from error


def storage_connection(ports: Ports) -> str:
    """In full: `UseDevelopmentStorage=true` is short for the default ports only."""
    services = {"Blob": ports.blob, "Queue": ports.queue, "Table": ports.table}
    endpoints = "".join(f"{name}Endpoint=http://{HOST}:{port}/{ACCOUNT};" for name, port in services.items())
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoints}"


def local_environment(
    ports: Ports, settings: Mapping[str, str], sample: Mapping[str, str], inherited: Mapping[str, str]
) -> dict[str, str]:
    """What the children get: the inherited environment wins, then ours, then local.settings.json."""
    own = {name: value for name, value in inherited.items() if value}  # an empty variable counts as unset
    given = dict(settings) | own
    ours = {} if given.get(ACCESS) else {ACCESS: "local"}  # of a settings file that is older than the setting
    for name in STORAGE_SETTINGS:
        if not _uses_identity(name, given) and given.get(name) in (None, sample.get(name)):
            ours[name] = storage_connection(ports)
    if all(given.get(name) in (None, sample.get(name)) for name in (SMTP_SERVER, SMTP_PORT)):
        ours |= {SMTP_SERVER: HOST, SMTP_PORT: str(ports.smtp)}
    return given | ours


def _uses_identity(name: str, given: Mapping[str, str]) -> bool:
    """`EmailStorage__tableServiceUri` and the like take the place of a connection string."""
    return any(other.startswith(f"{name}__") for other in given)
