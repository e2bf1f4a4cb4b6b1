"""The findings of an app that runs elsewhere. What it depends on may be open to it alone, so it looks by itself, and
tells administrators what it found (`GET /api/doctor`).
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from email_core.doctor.finding import Finding, Section, Verdict, failed, ok, shown

KEY_SETTING, TOKEN_SETTING = "EMAIL_KEY", "EMAIL_TOKEN"
TIMEOUT = httpx.Timeout(200, connect=15)  # seconds: longer than all checks there, side by side
TITLE = "App"
_WHO = f"Set {KEY_SETTING} to the app's admin key (master), or {TOKEN_SETTING} to a token of an administrator."
_ADDRESS = "See that it is the address of the app, and that this machine may reach it."


def origin_of(text: str) -> str:
    """`https://app.azurewebsites.net` of an address of the app. Raises ValueError for one that a key must not go to."""
    parts = urlsplit(text)
    is_local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or parts.scheme not in ("https", "http") or parts.username is not None:
        raise ValueError("give the app's address, like https://NAME.azurewebsites.net")
    if parts.scheme == "http" and not is_local:
        raise ValueError("give its https address: a key goes with the request")
    return f"{parts.scheme}://{parts.netloc}"


async def examine_deployed(origin: str, settings: Mapping[str, str]) -> list[Section]:
    """Never raises. `settings`: who asks."""
    async with httpx.AsyncClient(base_url=origin, timeout=TIMEOUT) as client:
        try:
            health = _health(await client.get("/api/health"))
            answer = await client.get("/api/doctor", headers=_headers(settings))
        except httpx.HTTPError as error:
            return [Section(TITLE, (failed(origin, f"no answer: {type(error).__name__}", _ADDRESS),))]
    if answer.status_code != 200:
        return [Section(TITLE, (health, _refusal(answer)))]
    try:
        return [Section(TITLE, (health,)), *map(_section, answer.json()["sections"])]
    except (ValueError, TypeError, KeyError):
        return [Section(TITLE, (health, failed("doctor", "does not answer like this app", _ADDRESS)))]


def _headers(settings: Mapping[str, str]) -> dict[str, str]:
    key, token = settings.get(KEY_SETTING, "").strip(), settings.get(TOKEN_SETTING, "").strip()
    return ({"x-functions-key": key} if key else {}) | ({"Authorization": f"Bearer {token}"} if token else {})


def _health(answer: httpx.Response) -> Finding:
    if answer.status_code == 200:
        return ok("health", "it takes mail")
    return failed("health", _told(answer), "" if answer.status_code == 503 else _ADDRESS)


def _refusal(answer: httpx.Response) -> Finding:
    match answer.status_code:
        case 401 | 403:
            return failed("doctor", _told(answer), _WHO)
        case 404:
            return failed("doctor", _told(answer), "Deploy the app anew: it is older than this doctor.")
        case 503:
            return failed("doctor", _told(answer))  # the same words as those of the health
    return failed("doctor", _told(answer), "Look into the app's log.")


def _told(answer: httpx.Response) -> str:
    """An error of ours says in `detail` what is wrong and what mends it."""
    try:
        return f"answered {answer.status_code}: {answer.json()['detail']}"
    except (ValueError, TypeError, KeyError):
        return f"answered {answer.status_code}"


def _section(told: Any) -> Section:
    return Section(shown(str(told["title"])), tuple(map(_finding, told["findings"])))


def _finding(told: Any) -> Finding:
    words = (shown(str(told[name])) for name in ("what", "detail", "fix"))
    return Finding(Verdict(told["verdict"]), *words)
