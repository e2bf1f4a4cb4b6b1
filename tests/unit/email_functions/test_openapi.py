"""The document says what the doors do; the doors' own tests say that they do it."""

import json

import pytest

from dev.reference import OPENAPI, openapi
from email_core.errors import InvalidEmail
from email_functions.email_schema import OrderBody, email_body
from email_functions.openapi import openapi_document
from email_functions.operations import OPERATIONS, Access
from email_functions.validation import from_json

DOCUMENT = openapi_document()
CALLS = {call["operationId"]: call for path in DOCUMENT["paths"].values() for call in path.values()}


def references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def test_document_in_the_docs_is_the_one_that_is_served():
    assert OPENAPI.read_text() == openapi(), "run python -m dev.reference"


def test_every_call_is_described():
    assert set(CALLS) == set(OPERATIONS)


def test_every_reference_leads_somewhere():
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert set(references(DOCUMENT)) <= known


def test_no_schema_is_left_over():
    used = set(references(DOCUMENT))
    assert {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]} <= used


@pytest.mark.parametrize("name", OPERATIONS)
def test_call_has_an_answer_that_is_no_problem(name):
    assert any(200 <= int(status) < 300 for status in CALLS[name]["responses"])


@pytest.mark.parametrize("name", OPERATIONS)
def test_call_that_is_not_open_says_whom_it_may_refuse(name):
    is_open = OPERATIONS[name].access is Access.OPEN
    assert ({"401", "403"} <= set(CALLS[name]["responses"])) is not is_open
    assert (CALLS[name].get("security") == []) is is_open


def test_answer_that_a_status_does_not_explain_is_explained():
    answers = CALLS["accept_email"]["responses"]
    assert answers["200"]["description"] == "`dry_run`: what would happen; nothing is kept"
    assert answers["422"]["description"] == "Unprocessable Entity"


def test_address_may_be_a_text_or_an_object():
    text, written_out = DOCUMENT["components"]["schemas"]["AddressBody"]["anyOf"]
    assert (text["type"], written_out["required"]) == ("string", ["address"])


def test_time_of_a_query_may_be_left_out_but_not_null():
    parameters = {one["name"]: one for one in CALLS["list_emails"]["parameters"]}
    assert parameters["from"]["schema"] == {"format": "date-time", "type": "string"}
    assert parameters["limit"]["schema"] == {"default": 50, "maximum": 500, "minimum": 1, "type": "integer"}


def test_query_beside_finished_mime_has_no_defaults_that_a_page_would_send_with_json():
    in_query = [one for one in CALLS["accept_email"]["parameters"] if one["in"] == "query"]
    assert {one["name"] for one in in_query} == set(OrderBody.model_fields)
    assert all("default" not in one["schema"] and "message/rfc822" in one["description"] for one in in_query)


def test_example_of_an_email_is_one():
    (example,) = DOCUMENT["components"]["schemas"]["EmailBody"]["examples"]
    assert email_body(json.dumps(example).encode()).message().subject == "Statement"


def test_every_call_stands_under_a_heading_that_is_used():
    tags = [one["name"] for one in DOCUMENT["tags"]]
    assert {tag for call in CALLS.values() for tag in call["tags"]} == set(tags)
    assert {CALLS[name]["tags"][0] for name in ("accept_email", "export_emails", "make_draft_file")} == {"Mail"}


@pytest.mark.parametrize(("call", "statuses"), [("accept_email", {"409", "429", "503"}), ("cancel_email", {"503"})])
def test_what_passes_by_itself_says_when_to_come_again(call, statuses):
    answers = CALLS[call]["responses"]
    assert {status for status, answer in answers.items() if "Retry-After" in answer["headers"]} == statuses


SAID = [name for name in DOCUMENT["components"]["schemas"] if name.endswith("Body")]
SPEAKS_FOR_ITSELF = {"address", "to", "cc", "subject", "name", "company", "end_after_runs"}


@pytest.mark.parametrize("name", SAID)
def test_every_field_that_is_sent_is_described(name):
    schema = DOCUMENT["components"]["schemas"][name]
    fields = (schema if "properties" in schema else schema["anyOf"][1])["properties"]
    silent = {name for name, field in fields.items() if "description" not in field}
    assert silent <= SPEAKS_FOR_ITSELF


def problems_of(model, body):
    try:
        from_json(model, json.dumps(body).encode())
    except InvalidEmail as error:
        return {problem.pointer: problem.detail for problem in error.problems}
    return {}


WHOLE_BODIES = {one.body for one in OPERATIONS.values() if one.body is not None and one.method != "PATCH"}


@pytest.mark.parametrize("model", sorted(WHOLE_BODIES, key=lambda model: model.__name__))
def test_field_that_may_be_left_out_may_be_null_and_the_document_says_so(model):
    fields = DOCUMENT["components"]["schemas"][model.__name__]
    required = set(fields.get("required", []))
    nullable = {name for name, field in fields["properties"].items() if {"type": "null"} in field.get("anyOf", [])}
    assert nullable == set(fields["properties"]) - required
    assert problems_of(model, dict.fromkeys(fields["properties"])) == {f"/{name}": "is required" for name in required}


async def test_served_as_json_with_the_docs_beside_it(doors):
    answer = await doors.get("/api/openapi.json")
    assert (answer.status, answer.media_type) == (200, "application/json")
    assert answer.json == json.loads(OPENAPI.read_text())
