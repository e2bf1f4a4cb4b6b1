"""`/api/eml`: an email as a file, which opens in the user's own mail app, ready to send. Nothing is stored."""

import asyncio
from urllib.parse import quote

import azure.functions as func

from email_core.assembly import subsystem
from email_core.draft_file import DraftFile
from email_functions.problems import UnsupportedMediaType, answered
from email_functions.schemas import email_body
from email_functions.validation import refuse_query

blueprint = func.Blueprint()


@blueprint.route("eml", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answered
async def make_draft_file(req: func.HttpRequest) -> func.HttpResponse:
    refuse_query(req.params)
    return draft_response(await asyncio.to_thread(_draft, req))


def _draft(req: func.HttpRequest) -> DraftFile:
    media_type = req.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in ("application/json", ""):
        raise UnsupportedMediaType(f"send application/json, not {media_type[:80]}")
    return subsystem().outbox.draft(email_body(req.get_body()).message())


def draft_response(draft: DraftFile) -> func.HttpResponse:
    """The name in both of its forms (RFC 6266): a program that knows only the first gets one in ASCII."""
    plain = draft.name.encode("ascii", "replace").decode().replace("?", "_")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(draft.name, safe='')}"
    return func.HttpResponse(draft.content, mimetype="message/rfc822", headers={"Content-Disposition": disposition})
