"""`/api/docs` and `/api/openapi.json`: the API described, readable without any other server."""

from functools import cache
from pathlib import Path

import azure.functions as func

from email_functions.door import Call, door
from email_functions.openapi import openapi_document
from email_functions.problems import NoSuchThing, json_response

blueprint = func.Blueprint()

_FOLDER = Path(__file__).parent / "swagger_ui"
_PARTS = {  # what the page is made of, and its media type
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "start.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_ONLY_OURS = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@door(blueprint)
async def read_openapi(call: Call) -> func.HttpResponse:
    return json_response(_document())


@cache
def _document() -> dict[str, object]:
    return openapi_document()


@door(blueprint)
async def show_docs(call: Call) -> func.HttpResponse:
    return func.HttpResponse(
        (_FOLDER / "page.html").read_bytes(),
        mimetype="text/html",
        headers={"Content-Security-Policy": _ONLY_OURS},
    )


@door(blueprint)
async def show_docs_part(call: Call) -> func.HttpResponse:
    name = call["name"]
    if name not in _PARTS:
        raise NoSuchThing(f"the page has no part {name[:80]!r}")
    packed = _FOLDER / f"{name}.gz"
    kept = {"Cache-Control": "public, max-age=3600"}
    if packed.exists():
        kept["Content-Encoding"] = "gzip"
    octets = (packed if packed.exists() else _FOLDER / name).read_bytes()
    return func.HttpResponse(octets, mimetype=_PARTS[name], headers=kept)
