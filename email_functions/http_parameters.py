"""`/api/parameters`: every parameter with its value and where that is from, for administrators."""

import azure.functions as func

from email_core.parameter_desk import Reading
from email_functions import representations
from email_functions.door import Call, door
from email_functions.parameter_schema import if_match, parameter_changes
from email_functions.problems import json_response

blueprint = func.Blueprint()


@door(blueprint)
async def read_parameters(call: Call) -> func.HttpResponse:
    return _answer(await call.core.desk.fresh())


@door(blueprint)
async def export_parameters(call: Call) -> func.HttpResponse:
    return json_response((await call.core.desk.fresh()).exported)


@door(blueprint)
async def change_parameters(call: Call) -> func.HttpResponse:
    version, changes = if_match(call.req.headers), parameter_changes(call.req.get_body())
    return _answer(await call.core.desk.change(changes, version, call.caller))


def _answer(reading: Reading) -> func.HttpResponse:
    return json_response(representations.parameters(reading), headers={"ETag": reading.tag})
