"""What can be done to an email after it was accepted."""

import azure.functions as func

from email_core.assembly import subsystem
from email_functions import representations
from email_functions.http_emails import accepted
from email_functions.problems import answered, json_response

blueprint = func.Blueprint()


@blueprint.route("emails/{id}/cancel", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answered
async def cancel_email(req: func.HttpRequest) -> func.HttpResponse:
    record = await subsystem().outbox.cancel(req.route_params["id"])
    return json_response(representations.email(record, subsystem().parameters))


@blueprint.route("emails/{id}/resend", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answered
async def resend_email(req: func.HttpRequest) -> func.HttpResponse:
    return accepted(await subsystem().outbox.resend(req.route_params["id"]))


@blueprint.route("emails/{id}/mark-sent", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answered
async def mark_email_sent(req: func.HttpRequest) -> func.HttpResponse:
    record = await subsystem().outbox.mark_sent(req.route_params["id"])
    return json_response(representations.email(record, subsystem().parameters))
