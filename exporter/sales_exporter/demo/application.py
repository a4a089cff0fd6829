"""The example application of the local stack, and the traffic that it gets."""

from __future__ import annotations

import importlib.util
import secrets
import sys

from sales_exporter.demo.layout import Layout
from sales_exporter.demo.processes import Children
from sales_exporter.errors import StackError
from sales_exporter.files import shipped

NEEDS = ("fastapi", "uvicorn", "websockets")


def check() -> None:
    """See whether what the application needs is installed.

    Raises:
        StackError: it is not; says how to install it.
    """
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise StackError(f"the example application needs {', '.join(missing)}; install it with: "
                         "pip install 'sales-exporter[demo]'. Other data than --data generated needs no application")


def start(children: Children, layout: Layout) -> None:
    """Start the application and the traffic, which does not mind that the application is not ready yet.

    Predictions and outcomes are recorded in the demo's database under a model of their own. Calls are not: they would
    be counted as calls of the invented company.
    """
    secret = layout.secret("webhook.secret", secrets.token_urlsafe(24))
    command = [sys.executable, "-m", "uvicorn", "app:app", f"--app-dir={shipped('examples') / 'app'}",
               "--host=127.0.0.1", f"--port={layout.port('application')}", "--no-access-log", "--log-level=warning",
               # Streams never end by themselves.
               "--timeout-graceful-shutdown=2"]
    environment = {"RECORDER_DSN_FILE": str(layout.secrets / "recorder.dsn"), "RECORD_CALLS": "no",
                   "WEBHOOK_SECRET_FILE": str(secret), "PYTHONDONTWRITEBYTECODE": "1"}
    children.start("application", command, folder=layout.storage, environment=environment,
                   ready_url=f"{layout.url('application')}/healthz")
    children.start("traffic", [sys.executable, "-m", "sales_exporter", "traffic", f"--url={layout.url('application')}",
                               f"--secret-file={secret}"])
