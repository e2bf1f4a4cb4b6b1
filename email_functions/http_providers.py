"""`/api/providers`: how each provider stands and what it can do, for administrators."""

import azure.functions as func

from email_core.assembly import subsystem
from email_functions import representations
from email_functions.problems import answered, json_response

blueprint = func.Blueprint()


@blueprint.route("providers", methods=["GET"], auth_level=func.AuthLevel.ADMIN)
@answered
async def list_providers(req: func.HttpRequest) -> func.HttpResponse:
    return json_response({"items": [representations.provider(one) for one in await subsystem().overview.statuses()]})
