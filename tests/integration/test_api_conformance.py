"""Whatever a caller sends, the app answers as its own OpenAPI document says, and never with a 5xx."""

from urllib.parse import unquote

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from email_functions.openapi import openapi_document
from tests.support.app import running_app
from tests.support.inbox import running_inbox

pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


API = schemathesis.openapi.from_dict(openapi_document())
OPERATIONS = {found.ok().label: found.ok() for found in API.get_all_operations()}


@pytest.fixture(scope="module")
def app(azurite):
    with running_inbox() as inbox, running_app(azurite.new_account(), inbox.port) as client:
        yield client


def test_app_serves_the_document_that_is_looked_at_here(app):
    assert app.get("/api/openapi.json").json() == openapi_document()


def look_at(app, label, mode):
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def answers_as_documented(case):
        assume("" not in (case.query or {}).values())  # the host hands on no empty values,
        assume("\n" not in unquote("".join(map(str, (case.path_parameters or {}).values()))))  # and finds no route here
        assume("content-length" not in map(str.lower, case.headers or {}))  # a wrong one is the web server's to refuse
        case.call_and_validate(base_url=f"{app.base_url}/api", checks=CHECKS)

    answers_as_documented()


@pytest.mark.parametrize("label", OPERATIONS)
def test_valid_request_is_answered_as_documented(app, label):
    look_at(app, label, GenerationMode.POSITIVE)


# A batch answers for each of its emails.
TAKES_SOMETHING = [label for label, one in OPERATIONS.items() if one.body or one.query if "batches" not in label]


@pytest.mark.parametrize("label", TAKES_SOMETHING)
def test_invalid_request_is_refused_as_documented(app, label):
    look_at(app, label, GenerationMode.NEGATIVE)
