"""`/api/secrets`: passwords and client secrets go in, for administrators; none ever comes out."""

import functools

import azure.functions as func

from email_core.assembly import subsystem
from email_core.secret_store.base import secret_name
from email_functions import representations
from email_functions.problems import Door, answered, json_response
from email_functions.secret_schema import secret_value
from email_functions.validation import refuse_query

blueprint = func.Blueprint()


def not_kept(door: Door) -> Door:
    """No cache on the way keeps the answer, whatever it is."""

    @functools.wraps(door)
    async def marked(req: func.HttpRequest) -> func.HttpResponse:
        response = await door(req)
        response.headers["Cache-Control"] = "no-store"
        return response

    return marked


@blueprint.route("secrets/{name}", methods=["GET"], auth_level=func.AuthLevel.ADMIN)
@not_kept
@answered
async def read_secret_state(req: func.HttpRequest) -> func.HttpResponse:
    name = secret_name(req.route_params["name"])
    return json_response(representations.secret(await subsystem().secrets.about(name)))


@blueprint.route("secrets/{name}", methods=["PUT"], auth_level=func.AuthLevel.ADMIN)
@not_kept
@answered
async def write_secret(req: func.HttpRequest) -> func.HttpResponse:
    name = secret_name(req.route_params["name"])
    refuse_query(req.params)  # a value there would stand in logs
    await subsystem().secrets.put(name, secret_value(req.get_body()))
    provider = subsystem().providers.get(name.provider)
    if provider is not None:
        await subsystem().pauses.lift(provider)  # what was refused before may be right now
    return func.HttpResponse(status_code=204)
