"""One small application, built with Flask and with Django: what the behaviour table is asked about."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import django
import flask
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import include, path, re_path
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.wsgi import SalesMetricsWSGI, instrument
from tests.instrumentation.counted import Client, Counted

PIECES = (b"one,", b"two,", b"three")


def flask_shop(meter: Meter) -> SalesMetricsWSGI:
    """Flask with a blueprint, and a second application behind a dispatcher."""
    app, crm = flask.Flask("shop"), flask.Flask("crm")
    api = flask.Blueprint("api", "api")

    @api.route("/leads/<int:lead>", methods=["GET", "POST"])
    def lead(lead: int) -> str:
        return str(len(flask.request.get_data())) if flask.request.method == "POST" else "ok"

    @app.route("/boom")
    def boom() -> str:
        raise RuntimeError("boom")

    @app.route("/pieces/<name>")
    def pieces(name: str) -> flask.Response:
        return flask.Response(_pieces())

    @crm.route("/deals/<uuid_or_name>/<path:rest>")
    def deal(uuid_or_name: str, rest: str) -> str:
        return "deal"

    app.register_blueprint(api, url_prefix="/api/v1")
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/crm": crm})  # type: ignore[method-assign]
    return instrument(app, meter, registry=None)


def django_shop(meter: Meter) -> SalesMetricsWSGI:
    """Django with an include and routes of both kinds."""
    return SalesMetricsWSGI(django_application(), meter, registry=None)


def django_application(*middleware: str) -> Any:
    """Django's handler."""
    if not settings.configured:
        settings.configure(ROOT_URLCONF="shop_urls", ALLOWED_HOSTS=["*"], SECRET_KEY="tests", DEBUG=False,
                           LOGGING_CONFIG=None)
        sys.modules["shop_urls"] = _urls()
        django.setup()
    settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware", *middleware]
    return get_wsgi_application()


def _urls() -> ModuleType:
    def lead(request: Any, lead: int) -> HttpResponse:
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponse(status=405)
        return HttpResponse(str(len(request.body)) if request.method == "POST" else "ok")

    def boom(request: Any) -> HttpResponse:
        raise RuntimeError("boom")

    def pieces(request: Any, name: str) -> StreamingHttpResponse:
        return StreamingHttpResponse(_pieces())

    def deal(request: Any, **_: str) -> HttpResponse:
        return HttpResponse("deal")

    def report(request: Any) -> FileResponse:
        return FileResponse(open(__file__, "rb"))

    urls = ModuleType("shop_urls")
    urls.urlpatterns = [  # type: ignore[attr-defined]
        path("api/v1/", include([path("leads/<int:lead>", lead)])),
        path("boom", boom), path("pieces/<name>", pieces), path("report", report),
        re_path(r"^crm/deals/(?P<uuid_or_name>[^/]+)/(?P<rest>.*)$", deal),
    ]
    return urls


def _pieces() -> Iterator[bytes]:
    yield from PIECES


FRAMEWORKS: dict[str, Callable[[Meter], SalesMetricsWSGI]] = {"django": django_shop, "flask": flask_shop}


def driven(framework: str, meter: Meter | None = None) -> tuple[Client, Counted]:
    """The shop behind the middleware, and what is counted."""
    meter = meter or Meter()
    return Client(FRAMEWORKS[framework](meter)), Counted(meter)
