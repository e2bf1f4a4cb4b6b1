import pytest

from local_runner.app_index import IndexedFunction
from local_runner.errors import LoadError
from local_runner.routing import RoutingTable, route_pattern


def function(name, route, methods=(), disabled=False):
    trigger = {"type": "httpTrigger", "name": "req", "route": route, "methods": methods}
    return IndexedFunction(name, print, trigger, disabled=disabled)


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("emails", "/emails", {}),
        ("emails", "/EMAILS/", {}),
        ("emails", "/emails/1", None),
        ("emails/{id}", "/emails/a b", {"id": "a b"}),
        ("emails/{id}", "/emails", None),
        ("emails/{id}", "/emails/a/b", None),
        ("emails/{id}/eml", "/emails/7/eml", {"id": "7"}),
        ("emails/{id}.eml", "/emails/7.eml", {"id": "7"}),
        ("items/{id:int}", "/items/-12", {"id": "-12"}),
        ("items/{id:int}", "/items/x", None),
        ("items/{id?}", "/items", {}),
        ("items/{id?}", "/items/7", {"id": "7"}),
        ("files/{*rest}", "/files/a/b/c", {"rest": "a/b/c"}),
        ("files/{*rest}", "/files", {}),
        ("{*rest}", "/", {"rest": ""}),
        ("a.b", "/axb", None),
    ],
)
def test_template_fits_the_paths_that_asp_net_would_take(template, path, parameters):
    match = RoutingTable([function("a", template)], "").find("GET", path)
    assert (match and match.parameters) == parameters


@pytest.mark.parametrize("template", ["{id", "{id:regex(a)}", "{id:date}", "a}b"])
def test_template_that_is_not_understood_is_refused(template):
    with pytest.raises(LoadError):
        route_pattern(template)


def test_first_function_by_name_hides_a_literal_of_a_later_one():
    table = RoutingTable([function("a", "zoo/{id}"), function("b", "zoo/special")], "api")
    assert table.find("GET", "/api/zoo/special").function.name == "a"


def test_method_is_part_of_the_match():
    table = RoutingTable([function("a", "x", ["GET"]), function("b", "x", ["POST"])], "api")
    assert table.find("POST", "/api/x").function.name == "b"
    assert table.find("DELETE", "/api/x") is None


def test_prefix_stands_before_every_route():
    table = RoutingTable([function("a", "x")], "api")
    assert table.find("GET", "/x") is None


def test_parameters_are_decoded_but_for_an_encoded_slash():
    match = RoutingTable([function("a", "x/{id}")], "").find("GET", "/x/a%20%C3%A4%2Fb")
    assert match.parameters == {"id": "a ä%2Fb"}


def test_disabled_function_has_no_route():
    assert RoutingTable([function("a", "x", disabled=True)], "").find("GET", "/x") is None
