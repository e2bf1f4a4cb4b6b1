"""`/api/eml`: an email as a file, which opens in the user's own mail app, ready to send. Nothing is stored."""

from urllib.parse import quote

import azure.functions as func

from email_core.beside import beside
from email_core.draft_file import DraftFile
from email_functions.door import Call, door
from email_functions.email_schema import message_body

blueprint = func.Blueprint()


@door(blueprint)
async def make_draft_file(call: Call) -> func.HttpResponse:
    octets = call.req.get_body()
    body, message = await beside(len(octets), message_body, octets)
    order = body.order(body.metadata)
    return draft_response(await call.core.composer.draft(message, order, call.caller, is_dry_run=body.dry_run))


def draft_response(draft: DraftFile) -> func.HttpResponse:
    """The name in both of its forms (RFC 6266): a program that knows only the first gets one in ASCII."""
    plain = draft.name.encode("ascii", "replace").decode().replace("?", "_")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(draft.name, safe='')}"
    return func.HttpResponse(draft.content, mimetype="message/rfc822", headers={"Content-Disposition": disposition})
