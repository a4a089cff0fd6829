"""What applications import: one line, and their API, model and call dashboards fill.

    from sales_exporter.instrumentation import instrument

    instrument(app)                         # FastAPI, Starlette, Flask, aiohttp

Needs prometheus-client and nothing else; recorders that write rows need the extra ``[recorders]``. Nothing is imported
before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sales_exporter.instrumentation.asgi import SalesMetrics
    from sales_exporter.instrumentation.llm import llm_timer
    from sales_exporter.instrumentation.meter import Meter
    from sales_exporter.instrumentation.recorders import Recorder, Writer
    from sales_exporter.instrumentation.workers import SharedStore
    from sales_exporter.instrumentation.wsgi import SalesMetricsWSGI

__all__ = [
    "Meter", "Recorder", "SalesMetrics", "SalesMetricsWSGI", "SharedStore", "Writer", "instrument", "llm_timer"]

_ROOMS = {
    "Meter": "meter", "Recorder": "recorders", "SalesMetrics": "asgi", "SalesMetricsWSGI": "wsgi",
    "SharedStore": "workers", "Writer": "recorders", "llm_timer": "llm",
}


def instrument(app: Any, meter: Meter | None = None, *, metrics_path: str | None = "/metrics", **options: Any) -> Meter:
    """Count the requests of an application that has not started, and serve ``metrics_path``; returns the meter.

    For FastAPI, Starlette, Flask and aiohttp. Wrap any other ASGI application with ``SalesMetrics`` and any other WSGI
    application, Django's among them, with ``SalesMetricsWSGI``. The options are those of these.

    Raises:
        TypeError: the application is of another kind.
        ConfigError: an option is wrong.
    """
    meter = meter or import_module(f"{__name__}.meter").Meter()
    if hasattr(app, "add_middleware"):
        middleware = import_module(f"{__name__}.asgi").SalesMetrics
        app.add_middleware(middleware, meter=meter, metrics_path=metrics_path, **options)
    elif hasattr(app, "wsgi_app"):
        import_module(f"{__name__}.wsgi").instrument(app, meter, metrics_path=metrics_path, **options)
    elif hasattr(app, "middlewares") and hasattr(app, "router"):
        import_module(f"{__name__}.aiohttp").instrument(app, meter, metrics_path=metrics_path, **options)
    else:
        raise TypeError(f"instrument() does not know {type(app).__module__}.{type(app).__qualname__}; wrap an ASGI "
                        "application with SalesMetrics, a WSGI application with SalesMetricsWSGI")
    return meter


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
