"""What can be done to an email after it was accepted."""

import azure.functions as func

from email_functions import representations
from email_functions.door import Call, door
from email_functions.http_emails import accepted
from email_functions.idempotency_key import refuse_key
from email_functions.problems import json_response

blueprint = func.Blueprint()


@door(blueprint)
async def cancel_email(call: Call) -> func.HttpResponse:
    record = await call.mail.cancel(call["id"])
    return json_response(representations.email(record, call.core.parameters))


@door(blueprint)
async def resend_email(call: Call) -> func.HttpResponse:
    refuse_key(call.req.headers)
    return accepted(await call.mail.resend(call["id"]))


@door(blueprint)
async def mark_email_sent(call: Call) -> func.HttpResponse:
    record = await call.mail.mark_sent(call["id"])
    return json_response(representations.email(record, call.core.parameters))
