"""Where a binding's queues are: a connection by its name, as the storage-queues extension resolves it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from local_runner.errors import SettingsError

# Published with the emulator and the same everywhere: it guards nothing.
EMULATOR_ACCOUNT = "devstoreaccount1"
EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class QueueConnection:
    """One of the two: a connection string, or the address of a queue service to ask with an identity."""

    connection_string: str = field(default="", repr=False)  # holds a key
    service_uri: str = ""


def resolve_connection(name: str | None, environ: Mapping[str, str], function_name: str) -> QueueConnection:
    """The connection that a binding names; without a name it is AzureWebJobsStorage.

    The name with AzureWebJobs before it is tried first. Raises SettingsError naming what would do.
    """
    name = name or "Storage"
    for setting in (f"AzureWebJobs{name}", name):
        if text := environ.get(setting):
            return QueueConnection(connection_string=expand_development_storage(text, environ))
        if uri := environ.get(f"{setting}__queueServiceUri"):
            return QueueConnection(service_uri=uri)
    raise SettingsError(
        f"function {function_name} needs the setting {name} (a storage connection string, or "
        f"UseDevelopmentStorage=true) or {name}__queueServiceUri (to use an identity), and neither is there"
    )


def expand_development_storage(text: str, environ: Mapping[str, str]) -> str:
    """Azurite's connection string for UseDevelopmentStorage=true, which the Python clients do not know."""
    if text.strip().rstrip(";").lower() != "usedevelopmentstorage=true":
        return text
    blob = int(environ.get("AZURITE_PORT") or 10000)
    endpoints = "".join(
        f"{service}Endpoint=http://127.0.0.1:{port}/{EMULATOR_ACCOUNT};"
        for service, port in (("Blob", blob), ("Queue", blob + 1), ("Table", blob + 2))
    )
    return f"DefaultEndpointsProtocol=http;AccountName={EMULATOR_ACCOUNT};AccountKey={EMULATOR_KEY};{endpoints}"
