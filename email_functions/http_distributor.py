"""`/api/distributor`: the email distributor batch, for administrators."""

import azure.functions as func

from email_core.assembly import subsystem
from email_functions import representations
from email_functions.distributor_schema import distributor_change
from email_functions.problems import answered, json_response

blueprint = func.Blueprint()


@blueprint.route("distributor", methods=["GET"], auth_level=func.AuthLevel.ADMIN)
@answered
async def read_distributor(req: func.HttpRequest) -> func.HttpResponse:
    return json_response(representations.distributor(await subsystem().distribution.status()))


@blueprint.route("distributor", methods=["PATCH"], auth_level=func.AuthLevel.ADMIN)
@answered
async def change_distributor(req: func.HttpRequest) -> func.HttpResponse:
    await subsystem().distribution.change(distributor_change(req.get_body()))
    return json_response(representations.distributor(await subsystem().distribution.status()))
