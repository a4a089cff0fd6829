"""The receivers that the configuration names, each with its sink."""

from __future__ import annotations

import aiohttp

from sales_exporter.config import Desk, NoticeReceiver
from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.desk.courier import NoticeSink, Receiver
from sales_exporter.sidecar.desk.links import Links
from sales_exporter.sidecar.desk.ntfy import Ntfy
from sales_exporter.sidecar.desk.posting import Posting
from sales_exporter.sidecar.desk.tokens import Token


def receivers(settings: Desk, links: Links, clock: Clock) -> list[Receiver]:
    """One for each, in the order of the configuration."""
    return [Receiver(name, _sink(name, one, links, clock), frozenset(one.teams), one.kind == "ntfy")
            for name, one in settings.receivers.items()]


def _sink(name: str, one: NoticeReceiver, links: Links, clock: Clock) -> NoticeSink:
    kind = Ntfy if one.kind == "ntfy" else Posting
    return kind(name, one.url, Token(one.token_file), links, _session, clock)


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
