"""`/api/audit`: who changed what of the configuration, and who read whose mail, for administrators."""

import azure.functions as func

from email_functions import representations
from email_functions.audit_schema import audit_query
from email_functions.door import Call, door
from email_functions.problems import json_response

blueprint = func.Blueprint()


@door(blueprint)
async def list_audit(call: Call) -> func.HttpResponse:
    query = audit_query(call.req.params)
    page = await call.core.audit.page(query.limit, query.cursor)
    return json_response({"items": list(map(representations.audit_event, page.items)), "next": page.next})
