"""`/api/doctor`: what this app finds of all that it depends on, for administrators. Nothing is sent. Each check is
bounded, and all go side by side: less than two minutes."""

import azure.functions as func

from email_core.assembly import environment
from email_functions import representations
from email_functions.door import Call, door
from email_functions.problems import json_response

blueprint = func.Blueprint()


@door(blueprint)
async def examine_app(call: Call) -> func.HttpResponse:
    from email_core.doctor.examination import examine  # the storage's clients take 0.3 s: not before they are needed
    from email_core.doctor.resolver import DnsResolver

    return json_response(representations.examination(await examine(environment(), resolver=DnsResolver())))
