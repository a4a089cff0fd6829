"""WSGI middleware, for Flask, Django and any other WSGI application.

    instrument(app)                                               # Flask: an application object
    application = SalesMetricsWSGI(get_wsgi_application())        # Django, in wsgi.py
    application = SalesMetricsWSGI(application)                   # any other

The route template is read when the application starts its answer, from what its framework left behind: Flask
(Werkzeug) leaves its request in the environ, Django gets a request class that does. Where another middleware stands
between us and Django, or Django runs under ASGI, put ``sales_exporter.instrumentation.wsgi.DjangoRoute`` into
MIDDLEWARE. Any other application may set ``environ["sales_exporter.route"]`` to a template of its own, such as
``/users/{id}``; without one all counts as ``unmatched``.

An answer of Flask or Django with status 500 has ``error_type`` 500: they turn an exception into it before we see it.
One that comes through has the name of its class.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from sales_exporter.instrumentation.exchanges import Exchange, Exchanges
from sales_exporter.instrumentation.handlers import WSGI, Options, metrics_wsgi
from sales_exporter.instrumentation.http import UNMATCHED
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.wsgi_routes import django_template, werkzeug_template

if TYPE_CHECKING:
    from typing import Unpack

Environ = dict[str, Any]
ROUTE: Final = "sales_exporter.route"
"""Key of the environ in which an application may leave the template of its route."""

_DJANGO: Final = "sales_exporter.django_request"


class SalesMetricsWSGI:
    """Counts the requests and streamed answers of a WSGI application, and answers ``metrics_path`` itself.

    ``meter`` is a new one by default. ``metrics_path`` None means that there is none; scrapes are not counted. The
    other options are those of ``handlers``: ``registry``, ``bearer``, ``bearer_file``, ``basic_user``, ``basic_hash``.

    Raises:
        ConfigError: an option for access is wrong.
    """

    def __init__(self, app: WSGI, meter: Meter | None = None, *, metrics_path: str | None = "/metrics",
                 **options: Unpack[Options]) -> None:
        self.meter = meter or Meter()
        self._app = app
        self._path = metrics_path
        self._metrics = metrics_wsgi(self.meter, **options)
        self._counts = Exchanges(self.meter)
        _leave_request(app)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """One request."""
        if self._path is not None and environ.get("PATH_INFO") == self._path:
            return self._metrics(environ, start_response)
        try:
            exchange = self._counts.begin(environ.get("REQUEST_METHOD"), environ.get("wsgi.url_scheme"))
            before = (environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", ""))
            if environ.get("wsgi.input") is not None:
                environ["wsgi.input"] = _Input(environ["wsgi.input"], exchange)
        except Exception as error:
            self._counts.failed("begin", error)
            return self._app(environ, start_response)
        answer = _Answer(self._counts, exchange, start_response, lambda: _template(environ, *before))
        try:
            body = self._app(environ, answer.start)
        except BaseException as error:
            answer.match()
            exchange.end(error)
            raise
        return answer.body(body, environ)


class DjangoRoute:
    """Django middleware that leaves the route where the middlewares outside look for it, under WSGI and ASGI."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        # Django brings it. Its own mark for callables that are awaited is not that of inspect before Python 3.12.
        from asgiref.sync import iscoroutinefunction, markcoroutinefunction  # noqa: PLC0415

        self._get_response = get_response
        self._awaited = iscoroutinefunction(get_response)
        if self._awaited:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        """One request; a coroutine where Django runs in one."""
        if self._awaited:
            return self._later(request)
        try:
            return self._get_response(request)
        finally:
            _note(request)

    async def _later(self, request: Any) -> Any:
        try:
            return await self._get_response(request)
        finally:
            _note(request)


class _Input:
    """``wsgi.input``, with the bytes counted that the application reads. All else is that of the server."""

    def __init__(self, stream: Any, exchange: Exchange) -> None:
        self._stream = stream
        self._exchange = exchange

    def read(self, *size: Any) -> bytes:
        return self._counted(self._stream.read(*size))

    def readline(self, *size: Any) -> bytes:
        return self._counted(self._stream.readline(*size))

    def readlines(self, *hint: Any) -> list[bytes]:
        lines: list[bytes] = self._stream.readlines(*hint)
        self._exchange.received += sum(map(len, lines))
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return map(self._counted, iter(self._stream))

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._stream, name)
        if name == "readinto":
            return lambda into: self._filled(found(into))
        return (lambda *size: self._counted(found(*size))) if name == "read1" else found

    def _counted(self, piece: bytes) -> bytes:
        self._exchange.received += len(piece)
        return piece

    def _filled(self, size: int | None) -> int | None:
        self._exchange.received += size or 0
        return size


class _Answer:
    """What the application answers, on its way to the server."""

    def __init__(self, counts: Exchanges, exchange: Exchange, start_response: Callable[..., Any],
                 template: Callable[[], str]) -> None:
        self._counts = counts
        self._exchange = exchange
        self._start = start_response
        self._template = template
        self._matched = False
        self._length: int | None = None

    def match(self) -> None:
        """Read the route: when the answer starts, for Flask takes its request away before it returns."""
        if not self._matched:
            self._matched = True
            self._exchange.matched(self._template)

    def start(self, status: str, headers: list[tuple[str, str]], *info: Any) -> Callable[[bytes], Any]:
        """The server's ``start_response``."""
        write = self._start(status, headers, *info)
        self.match()
        try:
            self._head(status, headers)
        except Exception as error:
            self._counts.failed("head", error)

        def writing(piece: bytes) -> Any:
            self._exchange.piece(len(piece))
            try:
                return write(piece)
            except BaseException:
                self._exchange.lost = True
                raise

        return writing

    def body(self, body: Iterable[bytes], environ: Environ) -> Iterable[bytes]:
        """The body, counted while the server reads it."""
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(body, wrapper):
            # The server sends it as a file, which it would not if it were wrapped.
            return _ended_at_close(body, self._exchange, self._length)
        return (_Sized if hasattr(body, "__len__") else _Body)(body, self._exchange)

    def _head(self, status: str, headers: list[tuple[str, str]]) -> None:
        found = {name.lower(): value for name, value in headers if len(name) in (12, 14)}
        length = found.get("content-length")
        self._length = int(length) if length is not None else None
        self._exchange.started(int(status[:3]), self._length, found.get("content-type", ""))


class _Body:
    """An iterable of a body, and its iterator."""

    def __init__(self, body: Iterable[bytes], exchange: Exchange) -> None:
        self._body = body
        self._exchange = exchange
        self._pieces: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._pieces is None:
                self._pieces = iter(self._body)
            piece = next(self._pieces)
        except StopIteration:
            self._exchange.end()
            raise
        except BaseException as error:
            self._exchange.end(error)
            raise
        self._exchange.piece(len(piece))
        return piece

    def close(self) -> None:
        """The server is done with it. Before the end of the body its client is gone."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._exchange.end(gone=not self._exchange.is_complete)


class _Sized(_Body):
    """A body of known many pieces: servers take a Content-Length from one of one piece."""

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]


def instrument(app: Any, meter: Meter | None = None, *, metrics_path: str | None = "/metrics",
               **options: Unpack[Options]) -> SalesMetricsWSGI:
    """Put the middleware around a Flask application, in place. The options are those of ``SalesMetricsWSGI``."""
    app.wsgi_app = SalesMetricsWSGI(app.wsgi_app, meter, metrics_path=metrics_path, **options)
    found: SalesMetricsWSGI = app.wsgi_app
    return found


def _ended_at_close(body: Any, exchange: Exchange, length: int | None) -> Iterable[bytes]:
    """A file of the server, that tells us when it is closed. Whether its client stayed is not to be seen."""
    closing = getattr(body, "close", None)

    def close() -> None:
        try:
            if closing is not None:
                closing()
        finally:
            exchange.end(sent=length)

    try:
        body.close = close
    except AttributeError:
        exchange.end(sent=length)
    found: Iterable[bytes] = body
    return found


def _template(environ: Environ, script: str, path: str) -> str:
    """The route with the path of the mount before it: what the way to it moved from the path to SCRIPT_NAME."""
    found = environ.get(ROUTE)
    django = environ.pop(_DJANGO, None)
    werkzeug = environ.get("werkzeug.request")
    if not isinstance(found, str):
        if django is not None:
            found = django_template(django)
        elif werkzeug is not None:
            found = werkzeug_template(werkzeug)
    if not found:
        return UNMATCHED
    mount = environ.get("SCRIPT_NAME", "")[len(script):]
    return mount + found if path.startswith(mount) else found


def _note(request: Any) -> None:
    """Leave Django's route in the environ or in the scope."""
    try:
        found = django_template(request)
        scope = getattr(request, "scope", None)
        if found is None:
            return
        if scope is None:
            request.META[ROUTE] = found
        else:
            scope["route"] = _Route(found)
    except Exception:  # noqa: S110  (no meter is at hand; the route stays unmatched)
        pass


class _Route:
    """A route as the ASGI middleware reads it."""

    def __init__(self, path: str) -> None:
        self.path = path


def _leave_request(app: Any) -> None:
    """Have Django's handler leave its request in the environ."""
    handlers = sys.modules.get("django.core.handlers.wsgi")
    if handlers is None or not isinstance(app, handlers.WSGIHandler):
        return
    usual = app.request_class

    def request(environ: Environ) -> Any:
        made = environ[_DJANGO] = usual(environ)
        return made

    app.request_class = request
