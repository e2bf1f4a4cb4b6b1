"""Plain requests to one storage service, for the hot path: what Microsoft's clients add to each one costs several times
the request itself (docs/decisions/0012). Connections, retries and tokens are azure-core's.

It knows nothing of email, and the local runner uses it too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from azure.core.credentials import AzureSasCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline import AsyncPipeline
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, AsyncRetryPolicy, AzureSasCredentialPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.core.utils import parse_connection_string

from email_core.stores.azure.shared_key import SharedKeyPolicy, signed_of_queues, signed_of_tables

VERSION = "2019-12-12"  # of the REST interface: all that these requests need, and the emulator has it
SCOPE = "https://storage.azure.com/.default"
CONNECT_SECONDS, READ_SECONDS = 5, 15
RETRIES: dict[str, Any] = {
    "retry_total": 2,
    "retry_read": 0,  # a service that says nothing has had its time
    "retry_backoff_factor": 0.5,  # seconds
    # Repeated whatever the verb: a write is conditional, and a doorbell may ring twice.
    "retry_on_methods": frozenset({"POST", "PATCH", "DELETE"}),
}

ServiceName = Literal["table", "queue"]


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` are found by their names in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class StorageService:
    """One service of one account. `send` raises azure.core's AzureError where it does not answer."""

    def __init__(self, endpoint: str, authorization: Any, *, use_env_settings: bool) -> None:
        """`authorization` is a policy of azure-core. `use_env_settings` looks for a proxy in the environment, which
        costs two threads a request."""
        self.endpoint = endpoint.rstrip("/")
        transport = AioHttpTransport(
            connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, use_env_settings=use_env_settings
        )
        self._pipeline: AsyncPipeline[HttpRequest, AsyncHttpResponse] = AsyncPipeline(
            transport, [AsyncRetryPolicy(), authorization]
        )

    @classmethod
    def by_connection_string(cls, name: ServiceName, connection: str, **options: bool) -> Self:
        """Raises ValueError, which never repeats a key, where it cannot be read."""
        values = parse_connection_string(connection)
        endpoint = values.get(f"{name}endpoint") or _usual_endpoint(name, values)
        if "sharedaccesssignature" in values:
            return cls(
                endpoint, AzureSasCredentialPolicy(AzureSasCredential(values["sharedaccesssignature"])), **options
            )
        if not {"accountname", "accountkey"} <= values.keys():
            raise ValueError("it names neither an account and its key nor a shared access signature")
        signed = signed_of_tables if name == "table" else signed_of_queues
        return cls(endpoint, SharedKeyPolicy(values["accountname"], values["accountkey"], signed), **options)

    @classmethod
    def by_identity(cls, endpoint: str, credential: AsyncTokenCredential, **options: bool) -> Self:
        return cls(endpoint, AsyncBearerTokenCredentialPolicy(credential, SCOPE), **options)

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, query: str = ""
    ) -> Answer:
        url = f"{self.endpoint}/{path}?{query}" if query else f"{self.endpoint}/{path}"
        request = HttpRequest(method, url, headers={"x-ms-version": VERSION, **headers}, content=body or None)
        ran = await self._pipeline.run(request, **RETRIES)
        response = ran.http_response
        return Answer(response.status_code, response.headers, response.content)

    async def __aenter__(self) -> Self:
        await self._pipeline.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._pipeline.__aexit__(*error)


def refused(answer: Answer) -> HttpResponseError:
    """What an answer that nobody expected is raised as. Its body is not repeated: it may repeat the request."""
    error = HttpResponseError(f"the storage answered {answer.status}")
    error.status_code = answer.status
    return error


def _usual_endpoint(name: ServiceName, values: Mapping[str, str]) -> str:
    if "accountname" not in values:
        raise ValueError(f"it names neither an account nor a {name} endpoint")
    protocol, suffix = values.get("defaultendpointsprotocol", "https"), values.get("endpointsuffix", "core.windows.net")
    return f"{protocol}://{values['accountname']}.{name}.{suffix}"
