"""`/api/apps`: as whom each app may send, for administrators. An app that is not named there may send as anybody."""

import azure.functions as func

from email_core.app_senders import limits_of
from email_core.audit import Action, Change
from email_functions import representations
from email_functions.app_schema import app_senders, client_id
from email_functions.door import Call, door
from email_functions.problems import json_response

UNLIMITED = "may send as anybody"

blueprint = func.Blueprint()


@door(blueprint)
async def list_apps(call: Call) -> func.HttpResponse:
    return json_response({"items": [representations.app(row) for row in await call.core.app_senders.all()]})


@door(blueprint)
async def read_app(call: Call) -> func.HttpResponse:
    return json_response(representations.app(await limits_of(call.core.app_senders, client_id(call["id"]))))


@door(blueprint)
async def write_app(call: Call) -> func.HttpResponse:
    row = app_senders(client_id(call["id"]), call.req.get_body())
    before = await call.core.app_senders.get(row.client_id)
    words = before.in_words if before else UNLIMITED
    async with call.core.audit.records(call.caller, Change(Action.APP_CHANGED, row.client_id, words, row.in_words)):
        await call.core.app_senders.put(row)
    return json_response(representations.app(row))


@door(blueprint)
async def delete_app(call: Call) -> func.HttpResponse:
    before = await limits_of(call.core.app_senders, client_id(call["id"]))
    change = Change(Action.APP_CHANGED, before.client_id, before.in_words, UNLIMITED)
    async with call.core.audit.records(call.caller, change):
        await call.core.app_senders.delete(before.client_id)
    return func.HttpResponse(status_code=204)
