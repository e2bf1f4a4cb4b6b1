"""What all calls have in common, whatever they do."""

import gzip
import re

import pytest

from email_functions.operations import OPERATIONS, SMALL

PAGE = "/api/docs"


@pytest.mark.parametrize("url", ["/api/health", "/api/emails/x", "/api/nothing", PAGE])
async def test_every_answer_is_safe_to_show_in_a_browser(doors, url):
    headers = (await doors.get(url)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Request-Id"]


@pytest.mark.parametrize(("url", "is_logged"), [("/api/emails/x", True), ("/api/x", True), ("/api/health", False)])
async def test_log_has_the_request_id_of_what_was_refused(doors, caplog, url, is_logged):
    caplog.set_level("INFO")
    request_id = (await doors.get(url)).headers["X-Request-Id"]
    assert (request_id in caplog.text) is is_logged


async def test_head_is_answered_like_get_without_a_body(doors):
    got, asked = await doors.get("/api/health"), await doors.call("HEAD", "/api/health")
    assert (asked.status, asked.media_type, asked.body) == (got.status, got.media_type, b"")


async def test_head_of_what_is_not_there_is_404(doors):
    assert (await doors.call("HEAD", "/api/emails/x")).status == 404


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("emails", "GET, HEAD, OPTIONS, POST"),
        ("EMAILS", "GET, HEAD, OPTIONS, POST"),
        ("emails/x/cancel", "OPTIONS, POST"),
        ("distributor", "GET, HEAD, OPTIONS, PATCH"),
    ],
)
async def test_options_tells_what_can_be_done(doors, path, allowed):
    answer = await doors.call("OPTIONS", f"/api/{path}")
    assert (answer.status, answer.headers["Allow"], answer.body) == (204, allowed, b"")


@pytest.mark.parametrize(("method", "path"), [("DELETE", "emails"), ("PUT", "emails/x"), ("POST", "providers")])
async def test_method_that_a_path_has_not_is_405_with_those_that_it_has(doors, method, path):
    answer = await doors.call(method, f"/api/{path}")
    assert (answer.status, answer.media_type) == (405, "application/problem+json")
    assert answer.headers["Allow"] in answer.json["detail"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
async def test_path_that_is_none_is_404_and_told_where_the_calls_are(doors, method):
    answer = await doors.call(method, "/api/mails")
    assert (answer.status, answer.media_type) == (404, "application/problem+json")
    assert "/api/docs" in answer.json["detail"]


WITHOUT_QUERY = [name for name, one in OPERATIONS.items() if one.query is None and "{" not in one.route]
OPEN = ["health", "read_openapi", "show_docs"]


@pytest.mark.parametrize("name", sorted({*WITHOUT_QUERY} - {*OPEN}))
async def test_query_that_is_not_taken_is_refused(doors, name):
    operation = OPERATIONS[name]
    answer = await doors.call(operation.method, f"/api/{operation.route}?dry_run=true")
    assert (answer.status, answer.pointers) == (422, ["?dry_run"])


@pytest.mark.parametrize("name", OPEN)
async def test_call_that_is_open_to_all_has_nothing_against_what_passes_a_cache(doors, name):
    assert (await doors.get(f"/api/{OPERATIONS[name].route}?x=1&_=1772452800")).status == 200


OF_ONE_TYPE = [name for name, one in OPERATIONS.items() if one.body is not None and len(one.takes) == 1]


@pytest.mark.parametrize("name", OF_ONE_TYPE)
async def test_body_of_another_type_is_refused_with_the_one_that_is_taken(doors, name):
    operation = OPERATIONS[name]
    path = re.sub(r"\{\w+\}", "x", operation.route)
    answer = await doors.call(operation.method, f"/api/{path}", b"a=b", "application/x-www-form-urlencoded")
    assert answer.status == 415
    assert f"send {operation.takes[0]}" in answer.json["detail"]


async def test_body_larger_than_a_call_can_need_is_not_read(doors):
    answer = await doors.call("PATCH", "/api/distributor", b" " * (SMALL + 1), "application/json")
    assert (answer.status, answer.json["size"], answer.json["limit"]) == (413, SMALL + 1, SMALL)


# ---- the page


async def test_page_is_made_of_nothing_from_elsewhere(doors):
    page = await doors.get(PAGE)
    assert (page.status, page.media_type) == (200, "text/html")
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.body.decode())
    assert all(not part.startswith(("http", "//")) for part in parts)
    for part in parts:
        assert (await doors.get(f"/api/{part}")).status == 200, part


async def test_part_is_packed_as_its_header_says(doors):
    answer = await doors.get(f"{PAGE}/swagger-ui-bundle.js")
    assert (answer.media_type, answer.headers["Content-Encoding"]) == ("text/javascript", "gzip")
    assert b"SwaggerUIBundle" in gzip.decompress(answer.body)


@pytest.mark.parametrize("name", ["page.html", "README.md", "..%2fdoor.py", "LICENSE"])
async def test_nothing_else_of_the_folder_is_served(doors, name):
    assert (await doors.get(f"{PAGE}/{name}")).status == 404


async def test_flood_of_query_parameters_is_refused_in_few_words(doors):
    answer = await doors.get("/api/providers?" + "&".join(f"a{number}=1" for number in range(10_000)))
    assert (answer.status, answer.pointers[0], len(answer.pointers)) == (422, "?a0", 100)
    assert answer.json["errors"][0]["detail"] == "is not taken in the query string of this call"
