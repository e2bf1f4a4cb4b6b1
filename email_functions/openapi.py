"""The OpenAPI 3.1 document, made of the table of operations and its models: it cannot say what the doors do not do."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from email_functions.answers import Problem
from email_functions.idempotency_key import HEADER
from email_functions.operations import JSON, MIME, OPERATIONS, Access, Operation

VERSION = "1.0.0"  # of the API: the first number changes where a caller must change
PROBLEM = "application/problem+json"
_REFERENCE = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_BESIDE_MIME = "Only with a message/rfc822 body: a JSON body has a field of this name."
_BINARY = {"type": "string", "contentMediaType": "application/octet-stream"}
_ONE_SEGMENT = {"type": "string", "pattern": "^[^/\\x00-\\x1f\\x7f]+$"}
_REQUEST_ID = {
    "X-Request-Id": {
        "description": "The log has it where a request was refused, or failed.",
        "schema": {"type": "string"},
    }
}
_PASSES = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds until another try is worth it, where it may pass by itself.",
        "schema": {"type": "integer"},
    }
}

DESCRIPTION = """\
Hand over mail, see what became of it, and administer how it goes.

Every error is `application/problem+json` (RFC 9457); `errors` names each wrong field and what to do about it. Every
answer has an `X-Request-Id`, which the log has where a request was refused, or failed. All times have an offset.
Unknown fields are refused.
"""

Schema = dict[str, Any]


class _Plain(GenerateJsonSchema):
    """Without a title that only repeats the field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def openapi_document() -> Schema:
    schemas, definitions = _schemas()
    return {
        "openapi": "3.1.0",
        "info": {"title": "Email subsystem", "version": VERSION, "description": DESCRIPTION, "license": _LICENSE},
        "servers": [{"url": "/api"}],
        "security": [{"functionKey": []}, {"entra": []}],
        "tags": [{"name": name} for name in _TAGS if name in map(_tag, OPERATIONS.values())],
        "paths": _paths(schemas),
        "components": {
            "schemas": dict(sorted(definitions.items())),
            "securitySchemes": _SECURITY,
        },
    }


_TAGS = ("Mail", "Users", "Administration", "This app")
_TAG_OF = {
    "emails": "Mail",
    "emails.csv": "Mail",
    "email-batches": "Mail",
    "eml": "Mail",
    "users": "Users",
    "me": "Users",
}
_LICENSE = {"name": "MIT", "identifier": "MIT"}
_SECURITY = {
    "functionKey": {
        "type": "apiKey",
        "in": "header",
        "name": "x-functions-key",
        "description": "Where the app is set to keys: a function key, for administration the master key.",
    },
    "entra": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Where the app is set to Entra: a token for this app, with the role that the call needs.",
    },
}


def _schemas() -> tuple[dict[Any, Schema], dict[str, Schema]]:
    """The schema of each model that a call takes or gives, and the definitions that they refer to."""
    adapters: dict[Any, TypeAdapter[Any]] = {
        model: TypeAdapter(model) for operation in OPERATIONS.values() for model in _models(operation)
    }
    found, shared = TypeAdapter.json_schemas(
        [(model, "validation", adapter) for model, adapter in adapters.items()],
        ref_template=_REFERENCE,
        schema_generator=_Plain,
    )
    queries = {operation.query.__name__ for operation in OPERATIONS.values() if operation.query}
    definitions = {name: schema for name, schema in shared["$defs"].items() if name not in queries}
    return {model: schema for (model, _), schema in found.items()}, definitions


def _models(operation: Operation) -> Iterator[Any]:
    yield Problem
    yield from filter(None, (operation.body, operation.query))
    yield from (answer for answer in operation.answers.values() if isinstance(answer, type))


def _paths(schemas: dict[Any, Schema]) -> dict[str, Schema]:
    paths: dict[str, Schema] = {}
    for name, operation in OPERATIONS.items():
        paths.setdefault(f"/{operation.route}", {})[operation.method.lower()] = _described(name, operation, schemas)
    return paths


def _described(name: str, operation: Operation, schemas: dict[Any, Schema]) -> Schema:
    described: Schema = {
        "operationId": name,
        "summary": operation.summary,
        "tags": [_tag(operation)],
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_headers(operation)],
        "responses": dict(sorted(_responses(operation, schemas))),
    }
    if operation.access is Access.OPEN:
        described["security"] = []
    else:
        described["description"] = f"Needs: {operation.access}."
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {
                kind: {"schema": schemas[operation.body] if kind == JSON else _BINARY} for kind in operation.takes
            },
        }
    return described


def _tag(operation: Operation) -> str:
    if operation.access is Access.OPEN:
        return "This app"
    return _TAG_OF.get(operation.route.partition("/")[0], "Administration")


def _path_parameters(operation: Operation) -> Iterator[Schema]:
    for name in _PARAMETER.findall(operation.route):
        yield {"name": name, "in": "path", "required": True, "schema": _ONE_SEGMENT}


def _query_parameters(operation: Operation) -> Iterator[Schema]:
    if operation.query is None:
        return
    schema = TypeAdapter(operation.query).json_schema(ref_template=_REFERENCE, schema_generator=_Plain)
    for name, field in schema["properties"].items():
        words = field.pop("description", "")
        if MIME in operation.takes:  # a page would send defaults of its own accord, and they are refused beside JSON
            field.pop("default", None)
            words = f"{_BESIDE_MIME} {words}".strip()
        described = {"description": words} if words else {}
        yield {"name": name, "in": "query", "required": False, "schema": _given(field)} | described


def _given(field: Schema) -> Schema:
    """A query string has no null: what may be left out is left out."""
    options = [one for one in field.pop("anyOf", []) if one != {"type": "null"}]
    if field.get("default", ...) is None:
        del field["default"]
    return field | (options[0] if options else {})


def _headers(operation: Operation) -> Iterator[Schema]:
    for name, use in operation.headers.items():
        yield {"name": name, "in": "header", "required": False, "description": use, "schema": {"type": "string"}}


def _responses(operation: Operation, schemas: dict[Any, Schema]) -> Iterator[tuple[str, Schema]]:
    for status, answer in operation.answers.items():
        meaning = operation.meanings.get(status, HTTPStatus(status).phrase)
        yield str(status), _response(meaning, _content(answer, schemas))
    problem = {PROBLEM: {"schema": schemas[Problem]}}
    for status in {*operation.problems, *_common_problems(operation)}:
        headers = _RETRY_AFTER if _may_pass(operation, status) else {}
        yield str(status), _response(HTTPStatus(status).phrase, problem, headers)


def _response(meaning: str, content: Schema | None, headers: Schema | None = None) -> Schema:
    response: Schema = {"description": meaning, "headers": _REQUEST_ID | (headers or {})}
    return response | ({"content": content} if content else {})


def _may_pass(operation: Operation, status: int) -> bool:
    """By itself: with a key 409 is also the answer while its first request is not answered yet."""
    return status in _PASSES or (status == HTTPStatus.CONFLICT and HEADER in operation.headers)


def _content(answer: Any, schemas: dict[Any, Schema]) -> Schema | None:
    match answer:
        case None:
            return None
        case str() as media_type:
            return {media_type: {"schema": {} if media_type == JSON else _BINARY}}
    return {JSON: {"schema": schemas[answer]}}


def _common_problems(operation: Operation) -> Iterator[int]:
    """What may happen to any call, by what it takes."""
    yield from (422, 500, 503)
    if operation.access is not Access.OPEN:
        yield from (401, 403)
    if _PARAMETER.search(operation.route):
        yield 404
    if operation.body is not None:
        yield from (400, 413, 415)
