from collections.abc import Iterator

import pytest

from tests.support.doors import Doors, open_doors


@pytest.fixture
def doors() -> Iterator[Doors]:
    with open_doors() as opened:
        yield opened
