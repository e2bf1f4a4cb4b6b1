"""`/api/distributor`: the email distributor batch, for administrators."""

import azure.functions as func

from email_core.audit import Action, Change
from email_functions import representations
from email_functions.distributor_schema import distributor_change
from email_functions.door import Call, door
from email_functions.problems import json_response

blueprint = func.Blueprint()


@door(blueprint)
async def read_distributor(call: Call) -> func.HttpResponse:
    return json_response(representations.distributor(await call.core.distribution.status()))


@door(blueprint)
async def change_distributor(call: Call) -> func.HttpResponse:
    edit = distributor_change(call.req.get_body())
    before, after = await call.core.distribution.previewed(edit)
    if after != before:  # else there is nothing that the audit should tell
        change = Change(Action.DISTRIBUTOR_CHANGED, "distributor", before.in_words, after.in_words)
        async with call.core.audit.records(call.caller, change):
            await call.core.distribution.change(edit)
    return json_response(representations.distributor(await call.core.distribution.status()))
