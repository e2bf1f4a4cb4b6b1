"""What is no call of the API: answered in the API's own words, with what can be called instead.

The host tries routes in the order of the functions' names, so this one must be the last of all.
"""

import azure.functions as func

from email_functions.door import guarded
from email_functions.operations import allowed_methods
from email_functions.problems import MethodNotAllowed, NoSuchThing

ANY = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]

blueprint = func.Blueprint()


@blueprint.route("{*path}", methods=ANY, auth_level=func.AuthLevel.ANONYMOUS)
@guarded
async def wrong_call(req: func.HttpRequest) -> func.HttpResponse:
    allowed = allowed_methods(req.route_params.get("path", ""))
    if not allowed:
        raise NoSuchThing("the calls are in /api/openapi.json, and to read at /api/docs")
    if req.method == "OPTIONS":
        return func.HttpResponse(status_code=204, headers={"Allow": ", ".join(allowed)})
    raise MethodNotAllowed(allowed)
