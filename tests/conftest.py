from collections.abc import Iterator

import pytest

from tests.support.azurite import Azurite, running_azurite


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    with running_azurite() as emulator:
        yield emulator


@pytest.fixture
def storage_connection(azurite: Azurite) -> str:
    """A connection string of an empty storage account."""
    return azurite.new_account()
