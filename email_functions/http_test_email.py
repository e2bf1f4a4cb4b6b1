"""`/api/test-email`: whether a provider works, seen step by step, for administrators."""

import azure.functions as func

from email_core.assembly import subsystem
from email_functions import representations
from email_functions.problems import answered, json_response
from email_functions.rehearsal_schema import rehearsal_order
from email_functions.validation import refuse_query

blueprint = func.Blueprint()


@blueprint.route("test-email", methods=["POST"], auth_level=func.AuthLevel.ADMIN)
@answered
async def send_test_email(req: func.HttpRequest) -> func.HttpResponse:
    refuse_query(req.params)
    provider, to = rehearsal_order(req.get_body())
    return json_response(representations.rehearsal(await subsystem().rehearsals.send(provider, to)))
