"""Route templates as ASP.NET has them, tried in the order of the functions' names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from local_runner.app_index import IndexedFunction
from local_runner.errors import LoadError

PARAMETER = re.compile(r"\{(?P<rest>\*{0,2})(?P<name>\w+)(?::(?P<constraint>\w+))?(?P<optional>\?)?\}")
CONSTRAINTS = {
    None: r"[^/]+?",
    "int": r"[+-]?\d+",
    "long": r"[+-]?\d+",
    "alpha": r"[a-z]+",
    "bool": r"true|false",
    "guid": r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}",
}


@dataclass(frozen=True)
class Route:
    function: IndexedFunction
    path: str
    pattern: re.Pattern[str]


@dataclass(frozen=True)
class Match:
    function: IndexedFunction
    parameters: dict[str, str]


class RoutingTable:
    """The first route that fits path and method wins; a literal has no precedence over a parameter."""

    def __init__(self, functions: Iterable[IndexedFunction], prefix: str) -> None:
        self.routes = [
            Route(function, path := route_path(function, prefix), route_pattern(path))
            for function in functions
            if function.kind == "httpTrigger" and not function.disabled
        ]

    def find(self, method: str, raw_path: str) -> Match | None:
        path = decoded_path(raw_path)
        for route in self.routes:
            if route.function.methods and method not in route.function.methods:
                continue
            if found := route.pattern.fullmatch(path):
                values = {name: value for name, value in found.groupdict().items() if value is not None}
                return Match(route.function, values)
        return None


def route_path(function: IndexedFunction, prefix: str) -> str:
    return "/" + "/".join(part for part in (prefix, function.route) if part)


def decoded_path(raw_path: str) -> str:
    """The path as ASP.NET hands it to routing: decoded, except %2F, which divides no segments."""
    return unquote(re.sub("%2[fF]", "%252F", raw_path)).rstrip("/") or "/"


def route_pattern(template: str) -> re.Pattern[str]:
    """The whole path as a regular expression with one group for each parameter.

    `{id}`, `{id:int}`, `{id?}`, `{*rest}` and parameters within a segment (`{id}.eml`) are known.
    """
    pattern = "".join("/" + _segment(segment) for segment in template.strip("/").split("/"))
    # An optional or catch-all parameter takes the slash before it along when it is empty.
    pattern = re.sub(r"/(\(\?P<\w+>[^()]*\))\?", r"(?:/\1)?", pattern)
    return re.compile(pattern, re.IGNORECASE)


def _segment(segment: str) -> str:
    pattern, position = "", 0
    for parameter in PARAMETER.finditer(segment):
        pattern += _literal(segment[position : parameter.start()], segment) + _group(parameter, segment)
        position = parameter.end()
    return pattern + _literal(segment[position:], segment)


def _literal(text: str, segment: str) -> str:
    if "{" in text or "}" in text:
        raise LoadError(f"local_runner does not know the route segment {segment!r}")
    return re.escape(text)


def _group(parameter: re.Match[str], segment: str) -> str:
    if parameter["constraint"] not in CONSTRAINTS:
        raise LoadError(f"local_runner does not know the constraint of the route segment {segment!r}")
    if parameter["rest"]:
        return f"(?P<{parameter['name']}>.*)?"
    value = CONSTRAINTS[parameter["constraint"]]
    return f"(?P<{parameter['name']}>{value})" + ("?" if parameter["optional"] else "")
