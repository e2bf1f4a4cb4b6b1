"""`/api/health`: whether this instance could do its work. Shallow: no request to anything else. What is wrong with the
parameters is told to administrators in `/api/health/details`."""

import azure.functions as func

from email_functions import representations
from email_functions.door import Call, door
from email_functions.problems import json_response

blueprint = func.Blueprint()


@door(blueprint)
async def health(call: Call) -> func.HttpResponse:
    call.core.require_sign_in()  # both raise ConfigurationError, which is answered 503
    call.core.composer.require_provider()
    return json_response({"status": "ok"})


@door(blueprint)
async def health_details(call: Call) -> func.HttpResponse:
    return json_response(representations.health(await call.core.desk.reading()))
