"""`/api/health`: whether this instance could do its work. Shallow: no request to anything else."""

import azure.functions as func

from email_core.assembly import subsystem
from email_functions.problems import answered, json_response

blueprint = func.Blueprint()


@blueprint.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answered
async def health(req: func.HttpRequest) -> func.HttpResponse:
    subsystem().outbox.require_provider()  # both raise ConfigurationError, which is answered 503
    return json_response({"status": "ok"})
