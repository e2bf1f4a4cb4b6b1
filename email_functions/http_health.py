"""`/api/health`: whether this instance could do its work. Shallow: no request to anything else."""

import azure.functions as func

from email_functions.door import Call, door
from email_functions.problems import json_response

blueprint = func.Blueprint()


@door(blueprint)
async def health(call: Call) -> func.HttpResponse:
    call.core.outbox.require_provider()  # raises ConfigurationError, which is answered 503
    return json_response({"status": "ok"})
