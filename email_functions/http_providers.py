"""`/api/providers`: how each provider stands and what it can do, for administrators."""

import azure.functions as func

from email_functions import representations
from email_functions.door import Call, door
from email_functions.problems import json_response

blueprint = func.Blueprint()


@door(blueprint)
async def list_providers(call: Call) -> func.HttpResponse:
    return json_response({"items": [representations.provider(one) for one in await call.core.overview.statuses()]})
