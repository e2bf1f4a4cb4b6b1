"""`/api/emails`: apps hand mail over here, and everybody reads what became of it."""

from urllib.parse import urlencode

import azure.functions as func

from email_core.beside import beside
from email_core.composer import PreparedEmail
from email_core.record import EmailRecord
from email_functions import representations
from email_functions.door import Call, door, media_type_of
from email_functions.email_schema import message_body, order_query
from email_functions.http_eml import draft_response
from email_functions.idempotency_key import idempotency_key
from email_functions.operations import MIME
from email_functions.problems import json_response
from email_functions.query_schema import eml_query, list_query
from email_functions.validation import asked, refuse_query

blueprint = func.Blueprint()


@door(blueprint)
async def accept_email(call: Call) -> func.HttpResponse:
    prepared, is_dry_run = await _prepared(call)
    if is_dry_run:
        return json_response(representations.dry_run(prepared, call.core.parameters))
    key = idempotency_key(call.req.headers, call.caller)
    if key is None:
        return accepted(await call.core.outbox.accept(prepared, call.caller.id))
    request = (call.req.get_body(), urlencode(sorted(asked(call.req.params).items())).encode())
    record, replayed = await call.core.outbox.accept_once(prepared, key, request, call.caller.id)
    return accepted(record, {"Idempotency-Replayed": "true"} if replayed else {})


async def _prepared(call: Call) -> tuple[PreparedEmail, bool]:
    octets, composer = call.req.get_body(), call.core.composer
    if media_type_of(call.req) == MIME:
        query = order_query(call.req.params)
        return await composer.prepare_mime(octets, query.order({}, pointer="?"), call.caller), query.dry_run
    refuse_query(call.req.params)
    body, message = await beside(len(octets), message_body, octets)
    return await composer.prepare(message, body.order(body.metadata), call.caller), body.dry_run


@door(blueprint)
async def list_emails(call: Call) -> func.HttpResponse:
    page = await call.mail.list(list_query(call.req.params).to_core())
    items = [representations.email(record, call.core.parameters) for record in page.items]
    return json_response({"items": items, "next": page.next})


@door(blueprint)
async def read_email(call: Call) -> func.HttpResponse:
    record = await call.mail.read(call["id"])
    pause = await call.core.overview.waited_for(record)
    return json_response(representations.email_in_full(record, call.core.parameters, pause))


@door(blueprint)
async def read_email_content(call: Call) -> func.HttpResponse:
    if eml_query(call.req.params).draft:
        return draft_response(await call.mail.draft_of(call["id"]))
    record, mime = await call.mail.content(call["id"])
    return func.HttpResponse(
        mime,
        mimetype="message/rfc822",
        headers={"Content-Disposition": f'attachment; filename="{record.id}.eml"'},
    )


def accepted(record: EmailRecord, headers: dict[str, str] | None = None) -> func.HttpResponse:
    """202: the email is safe."""
    location = {"Location": representations.links(record)["self"]}
    return json_response(representations.accepted(record), 202, location | (headers or {}))
