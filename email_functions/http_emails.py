"""`/api/emails`: apps hand mail over here, and everybody reads what became of it."""

import asyncio

import azure.functions as func

from email_core.assembly import subsystem
from email_core.outbox import PreparedEmail
from email_core.record import EmailRecord
from email_functions import representations
from email_functions.http_eml import draft_response
from email_functions.idempotency_key import idempotency_key
from email_functions.problems import UnsupportedMediaType, answered, json_response
from email_functions.schemas import email_body, eml_query, list_query, order_query
from email_functions.validation import refuse_query

LARGE = 262_144  # octets; what is built from more would hold up everybody else

blueprint = func.Blueprint()


@blueprint.route("emails", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answered
async def accept_email(req: func.HttpRequest) -> func.HttpResponse:
    large = len(req.get_body()) > LARGE
    prepared, is_dry_run = await asyncio.to_thread(_prepared, req) if large else _prepared(req)
    if is_dry_run:
        return json_response(representations.dry_run(prepared, subsystem().parameters))
    key = idempotency_key(req.headers)
    if key is None:
        return accepted(await subsystem().outbox.accept(prepared))
    record, replayed = await subsystem().outbox.accept_once(prepared, key, req.get_body())
    return accepted(record, {"Idempotency-Replayed": "true"} if replayed else {})


def _prepared(req: func.HttpRequest) -> tuple[PreparedEmail, bool]:
    media_type = req.headers.get("content-type", "").partition(";")[0].strip().lower()
    match media_type:
        case "message/rfc822":
            order = order_query(req.params)
            return subsystem().outbox.prepare_mime(req.get_body(), order.order({}, pointer="?")), order.dry_run
        case "application/json" | "":
            refuse_query(req.params)
            body = email_body(req.get_body())
            return subsystem().outbox.prepare(body.message(), body.order(body.metadata)), body.dry_run
    raise UnsupportedMediaType(f"send application/json or message/rfc822, not {media_type[:80]}")


@blueprint.route("emails", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answered
async def list_emails(req: func.HttpRequest) -> func.HttpResponse:
    page = await subsystem().outbox.list(list_query(req.params).to_core())
    items = [representations.email(record, subsystem().parameters) for record in page.items]
    return json_response({"items": items, "next": page.next})


@blueprint.route("emails/{id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answered
async def read_email(req: func.HttpRequest) -> func.HttpResponse:
    record = await subsystem().outbox.read(req.route_params["id"])
    pause = await subsystem().overview.waited_for(record)
    return json_response(representations.email_and_what_it_waits_for(record, subsystem().parameters, pause))


@blueprint.route("emails/{id}/eml", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answered
async def read_email_content(req: func.HttpRequest) -> func.HttpResponse:
    if eml_query(req.params).draft:
        return draft_response(await subsystem().outbox.draft_of(req.route_params["id"]))
    record, mime = await subsystem().outbox.content(req.route_params["id"])
    return func.HttpResponse(
        mime,
        mimetype="message/rfc822",
        headers={"Content-Disposition": f'attachment; filename="{record.id}.eml"'},
    )


def accepted(record: EmailRecord, headers: dict[str, str] | None = None) -> func.HttpResponse:
    """202: the email is safe."""
    location = {"Location": representations.links(record)["self"]}
    return json_response(representations.accepted(record), 202, location | (headers or {}))
