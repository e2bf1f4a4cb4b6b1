"""Where a connection string leads."""

import pytest
from azure.core.pipeline.policies import AzureSasCredentialPolicy

from email_core.stores.azure.rest import StorageService
from email_core.stores.azure.shared_key import SharedKeyPolicy

KEYED = "DefaultEndpointsProtocol=https;AccountName=contoso;AccountKey=a2V5"


@pytest.mark.parametrize(
    ("connection", "endpoint", "policy"),
    [
        (KEYED, "https://contoso.queue.core.windows.net", SharedKeyPolicy),
        (
            f"{KEYED};EndpointSuffix=core.test",
            "https://contoso.queue.core.test",
            SharedKeyPolicy,
        ),
        (f"{KEYED};QueueEndpoint=http://127.0.0.1:1/contoso/", "http://127.0.0.1:1/contoso", SharedKeyPolicy),
        ("QueueEndpoint=https://q.test;SharedAccessSignature=sv=1&sig=2", "https://q.test", AzureSasCredentialPolicy),
    ],
)
def test_connection_string_leads_to(connection, endpoint, policy):
    chosen = []

    class Service(StorageService):
        def __init__(self, address, authorization, **options):
            super().__init__(address, authorization, **options)
            chosen.append(authorization)

    service = Service.by_connection_string("queue", connection, use_env_settings=False)
    assert service.endpoint == endpoint
    assert isinstance(chosen[0], policy)


@pytest.mark.parametrize("connection", ["x", "AccountName=contoso", "AccountName=contoso;AccountKey=not base64"])
def test_connection_string_that_leads_nowhere_is_refused_without_its_key(connection):
    with pytest.raises(ValueError, match=r"^(?!.*not base64)"):
        StorageService.by_connection_string("table", connection, use_env_settings=False)
