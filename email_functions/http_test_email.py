"""`/api/test-email`: whether a provider works, seen step by step, for administrators."""

import azure.functions as func

from email_functions import representations
from email_functions.door import Call, door
from email_functions.problems import json_response
from email_functions.rehearsal_schema import rehearsal_order

blueprint = func.Blueprint()


@door(blueprint)
async def send_test_email(call: Call) -> func.HttpResponse:
    provider, to = rehearsal_order(call.req.get_body())
    return json_response(representations.rehearsal(await call.core.rehearsals.send(provider, to)))
