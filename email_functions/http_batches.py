"""`/api/email-batches`: up to 100 emails in one call, each with its own answer."""

import json
import uuid
from typing import Any

import azure.functions as func

from email_core.composer import PreparedEmail
from email_core.errors import EmailSubsystemError, InvalidEmail
from email_core.record import EmailRecord
from email_functions import representations
from email_functions.door import Call, door
from email_functions.email_schema import EmailBody, batch_bodies
from email_functions.idempotency_key import refuse_key
from email_functions.problems import json_response, problem_of

blueprint = func.Blueprint()


@door(blueprint)
async def accept_email_batch(call: Call) -> func.HttpResponse:
    refuse_key(call.req.headers)
    prepared = [await _prepared(call, item) for item in batch_bodies(call.req.get_body())]
    good = [one for one in prepared if isinstance(one, PreparedEmail)]
    records = iter(await call.core.outbox.accept_batch(good, call.caller.id))
    results = [next(records) if isinstance(one, PreparedEmail) else one for one in prepared]
    return json_response({"items": [_item(result) for result in results]}, 207)


async def _prepared(call: Call, item: EmailBody | InvalidEmail) -> PreparedEmail | EmailSubsystemError:
    if isinstance(item, InvalidEmail):
        return item
    try:
        return await call.core.composer.prepare(item.message(), item.order(item.metadata), call.caller)
    except EmailSubsystemError as error:
        return error


def _item(result: EmailRecord | EmailSubsystemError) -> dict[str, Any]:
    if isinstance(result, EmailRecord):
        return {"status": 202, "id": result.id, "links": representations.links(result)}
    problem = problem_of(result, uuid.uuid4().hex)
    return {"status": problem.status_code, "problem": json.loads(problem.get_body())}
