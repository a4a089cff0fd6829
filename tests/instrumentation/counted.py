"""Reads what a meter has counted."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.store import Cell, LocalStore
from sales_exporter.model import Distribution, Metric


class Counted:
    """The numbers of a meter by labels; zeros left out."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def counts(self, name: str) -> dict[tuple[str, ...], float]:
        """Observations (of a histogram) or values."""
        found = {}
        for sample in self.meter.samples():
            if sample.metric.name == name:
                value = sample.value
                found[sample.labels] = float(sum(value.counts)) if isinstance(value, Distribution) else value
        return {labels: number for labels, number in found.items() if number}

    def sums(self, name: str) -> dict[tuple[str, ...], float]:
        """Sums of a histogram."""
        return {sample.labels: sample.value.total for sample in self.meter.samples()
                if sample.metric.name == name and isinstance(sample.value, Distribution) and sample.value.total}

    @property
    def durations(self) -> dict[tuple[str, ...], float]:
        """Requests by method, route, status, scheme and error_type."""
        return self.counts("http_server_request_duration_seconds")

    @property
    def received(self) -> dict[tuple[str, ...], float]:
        """Bytes of request bodies."""
        return self.sums("http_server_request_body_size_bytes")

    @property
    def sent(self) -> dict[tuple[str, ...], float]:
        """Bytes of response bodies."""
        return self.sums("http_server_response_body_size_bytes")

    @property
    def streams(self) -> dict[tuple[str, ...], float]:
        """Streams that ended, by route, kind and status."""
        return self.counts("http_server_stream_duration_seconds")

    @property
    def going_on(self) -> float:
        """Requests, streams and websockets that go on."""
        names = ("http_server_active_requests", "http_server_streams_open", "websocket_server_connections_open")
        return sum(sum(map(abs, self.counts(name).values())) for name in names)

    @property
    def errors(self) -> dict[tuple[str, ...], float]:
        """Surprises by place."""
        return self.counts("instrumentation_errors_total")


class Poisoned(LocalStore):
    """A store that fails once it is told to: no new cell, and what was handed out breaks too."""

    def __init__(self) -> None:
        super().__init__()
        self.poisoned = False

    def cell(self, metric: Metric, labels: tuple[str, ...]) -> Cell:
        """A cell that breaks with the store."""
        if self.poisoned:
            raise RuntimeError("poisoned")
        super().cell(metric, labels)
        return _Cell(self)

    def rows(self) -> Any:
        """The rows, or not."""
        if self.poisoned:
            raise RuntimeError("poisoned")
        return super().rows()


class _Cell:
    def __init__(self, store: Poisoned) -> None:
        self._store = store

    def __getitem__(self, place: int, /) -> float:
        if self._store.poisoned:
            raise RuntimeError("poisoned")
        return 0.0

    def __setitem__(self, place: int, value: float, /) -> None:
        if self._store.poisoned:
            raise RuntimeError("poisoned")


class Client:
    """Calls a WSGI application as a server does."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app

    def request(self, method: str, path: str, body: bytes = b"", pieces: int | None = None,
                **environ: Any) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body; after so many pieces the client is gone."""
        found: dict[str, Any] = {}
        written: list[bytes] = []

        def start(status: str, headers: Sequence[tuple[str, str]], info: Any = None) -> Callable[[bytes], None]:
            found["status"], found["headers"] = int(status[:3]), {name.lower(): value for name, value in headers}
            return written.append

        result = self.app({
            "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "",
            "SERVER_NAME": "shop.example", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "shop.example", "CONTENT_LENGTH": str(len(body)), "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body), "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False, **environ}, start)
        try:
            for number, piece in enumerate(result):
                written.append(piece)
                if pieces is not None and number + 1 >= pieces:
                    break
        finally:
            if hasattr(result, "close"):
                result.close()
        return found["status"], found["headers"], b"".join(written)
