"""`/api/secrets`: passwords and client secrets go in, for administrators; none ever comes out."""

import azure.functions as func

from email_core.audit import Action, Change
from email_core.secret_store.base import secret_name
from email_functions import representations
from email_functions.door import Call, door
from email_functions.problems import json_response
from email_functions.secret_schema import secret_value

blueprint = func.Blueprint()


@door(blueprint)
async def read_secret_state(call: Call) -> func.HttpResponse:
    name = secret_name(call["name"])
    return json_response(representations.secret(await call.core.secrets.about(name)))


@door(blueprint)
async def write_secret(call: Call) -> func.HttpResponse:
    name = secret_name(call["name"])
    value = secret_value(name, call.req.get_body())
    async with call.core.audit.records(call.caller, Change(Action.SECRET_SET, name.value)):
        await call.core.secrets.put(name, value)
    provider = call.core.providers.get(name.provider)
    if provider is not None:
        await call.core.pauses.lift(provider)  # what was refused before may be right now
    return func.HttpResponse(status_code=204)
