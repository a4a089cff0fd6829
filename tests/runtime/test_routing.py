"""Which route answers a path."""

from __future__ import annotations

import pytest
from aiohttp import web

from sales_exporter.runtime.parts import Asked, Route
from sales_exporter.runtime.routing import Table


async def nothing(_asked: Asked) -> web.StreamResponse:
    return web.Response()


def table(*paths: str) -> Table:
    return Table(Route(("GET",), path, nothing) for path in paths)


def found(paths: tuple[str, ...], path: str) -> tuple[str, dict[str, str]] | None:
    one = table(*paths).find(path)
    return (one.template, dict(one.values)) if one is not None else None


ALERTS = ("/alerts", "/alerts/{fingerprint}", "/alerts/history", "/api/{kind}/active", "/api/alerts/{state}")


@pytest.mark.parametrize(
    ("path", "template", "values"),
    [
        ("/alerts", "/alerts", {}),
        ("/alerts/ab12", "/alerts/{fingerprint}", {"fingerprint": "ab12"}),
        ("/alerts/history", "/alerts/history", {}),
        ("/alerts/ü b", "/alerts/{fingerprint}", {"fingerprint": "ü b"}),
        ("/alerts/{fingerprint}", "/alerts/{fingerprint}", {"fingerprint": "{fingerprint}"}),
        ("/api/alerts/active", "/api/alerts/{state}", {"state": "active"}),
        ("/api/models/active", "/api/{kind}/active", {"kind": "models"}),
    ],
)
def test_a_literal_piece_goes_before_a_named_one(path: str, template: str, values: dict[str, str]) -> None:
    assert found(ALERTS, path) == (template, values)


@pytest.mark.parametrize("path", ["", "/", "alerts", "//alerts", "/alerts/", "/alerts/a/b", "/alerts/a\nb",
                                  "/alerts/\x00", "/alerts/\ud800", "/Alerts", "/api/models/all"])
def test_what_has_another_shape_or_unprintable_signs_is_not_found(path: str) -> None:
    assert found(ALERTS, path) is None


def test_methods_of_one_path_may_have_routes_of_their_own() -> None:
    look, act = Route(("GET", "HEAD"), "/alerts/{name}", nothing), Route(("POST",), "/alerts/{name}", nothing)
    one = Table([look, act]).find("/alerts/a")
    assert one is not None
    assert one.by_method == {"GET": look, "HEAD": look, "POST": act}


@pytest.mark.parametrize(("first", "second"), [("/alerts", "/alerts"), ("/alerts/{a}", "/alerts/{b}")])
def test_two_routes_of_one_method_and_path_are_a_defect(first: str, second: str) -> None:
    with pytest.raises(ValueError, match=r"is taken|are one path"):
        table(first, second)


def test_refusals_are_problems_below_the_first_piece_of_routes_for_programs() -> None:
    routes = Table([Route(("GET",), "/api/{kind}", nothing, problems=True), Route(("GET",), "/alerts", nothing)])
    assert [routes.speaks_problems(path) for path in ("/api/x/y", "/api", "/alerts", "/apis", "/")] == [
        True, True, False, False, False]
