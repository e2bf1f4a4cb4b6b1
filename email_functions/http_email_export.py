"""`/api/emails.csv`: what the list shows, as a file. The host cannot stream: it comes in parts, each a whole file."""

from urllib.parse import urlencode

import azure.functions as func

from email_core.assembly import utc_now
from email_core.export import pages
from email_functions import representations
from email_functions.door import Call, door
from email_functions.email_csv import MARK, header, row
from email_functions.query_schema import export_query
from email_functions.validation import FUNCTION_KEY

LARGEST = 16 * 1024 * 1024  # characters of one part: it is in memory as a whole

blueprint = func.Blueprint()


@door(blueprint)
async def export_emails(call: Call) -> func.HttpResponse:
    query = export_query(call.req.params)
    lines, following = [MARK * query.bom + header()], None
    async for page in pages(call.mail.list, query.to_core(), utc_now):
        lines += [row(representations.email(record, call.core.parameters)) for record in page.items]
        following = page.next
        if sum(map(len, lines)) >= LARGEST:
            break
    headers = {"Content-Disposition": f'attachment; filename="email-{query.view}.csv"'}
    if following:
        headers["Link"] = f'<{_address_of(call, following)}>; rel="next"'
    return func.HttpResponse("".join(lines), headers=headers, mimetype="text/csv")


def _address_of(call: Call, cursor: str) -> str:
    """Of the next part, relative to the host: with the same filters, and without the function key."""
    wanted = {name: value for name, value in call.req.params.items() if name != FUNCTION_KEY} | {"cursor": cursor}
    return f"{representations.EMAILS}.csv?{urlencode(wanted)}"
