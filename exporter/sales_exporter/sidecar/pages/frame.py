"""What all pages share: the place that they are at, head, navigation and foot."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from sales_exporter.runtime.landing import COLOURS, LOGO
from sales_exporter.sidecar.backtest.picture import COLOURS as CHART
from sales_exporter.sidecar.desk.model import Case
from sales_exporter.sidecar.pages.markup import NOTHING, Html, join, link, tag
from sales_exporter.sidecar.pages.times import Times
from sales_exporter.sidecar.pages.words import OTHER, severity, standing, subject, title


def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text("utf-8").strip()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


STYLE = f"{COLOURS}\n{CHART.strip()}\n{_file('alerts.css')}"
SCRIPT = _file("live.js")
CONTENT_SECURITY_POLICY = "; ".join((
    "default-src 'none'", f"style-src {_hash(STYLE)}", f"script-src {_hash(SCRIPT)}", "connect-src 'self'",
    "img-src data:", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"))
"""The page's own style and script, its own server, and nothing else."""
ICON = ("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 48 48' fill='none' "
        "stroke='%230b6e63' stroke-width='4' stroke-linejoin='round'%3E%3Cpath d='M5 8h38L29 25v13l-10 5V25Z'/%3E"
        "%3C/svg%3E")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the pages are, and what they point to."""

    zone: ZoneInfo
    prefix: str = ""
    """What a proxy takes away from paths; empty, or it begins with a slash and does not end with one."""
    grafana: str = ""
    """Address of Grafana, without a slash at its end; empty where there is none."""

    def path(self, *pieces: str, **query: str) -> str:
        """The path of a page, as the browser asks for it. A query without a value is left out."""
        asked = urlencode({name: value for name, value in query.items() if value})
        return f"{self.prefix}/{'/'.join(quote(piece, safe='') for piece in pieces)}{'?' * bool(asked)}{asked}"

    def dashboard(self, url: str) -> str:
        """A dashboard's link for a browser; empty where there is none."""
        return link(url if not url.startswith("/") else f"{self.grafana}{url}" if self.grafana else "")


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a page: by whom, when, and what may be done there."""

    place: Place
    times: Times
    login: str = ""
    may_act: bool = False
    token: str = ""
    """What a form has to bring along."""

    @property
    def now(self) -> float:
        """The moment of the look, in epoch seconds."""
        return self.times.now


@dataclass(frozen=True, slots=True)
class Page:
    """What a page is besides its contents. ``section`` is the path that the navigation marks as the present one."""

    title: str
    section: str = ""
    live: bool = False
    """Whether it follows the stream of changes."""
    again: bool = False
    """Whether a browser without scripts loads it anew by itself; not where people write."""


def framed(look: Look, page: Page, body: Html) -> str:
    """A whole page."""
    stream = look.place.path("api", "dashboard", "stream", "alerts") if page.live else None
    again = tag("noscript", tag("meta", http_equiv="refresh", content="30")) if page.again else NOTHING
    head = tag(
        "head", tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        # With no-referrer, which is the server's default, forms would be posted with the origin "null".
        tag("meta", name="referrer", content="same-origin"),
        tag("title", f"{page.title} · sales-exporter"), tag("link", rel="icon", href=ICON), again,
        tag("style", Html(STYLE)))
    script = tag("script", Html(SCRIPT)) if page.live else None
    whole = tag("html", head, tag(
        "body", tag("a", "Skip to the contents", class_="skip", href="#main"), _bar(look, page),
        tag("main", body, id="main", tabindex="-1"), script), lang="en", data_stream=stream)
    return f"<!doctype html>\n{whole.text}\n"


def _bar(look: Look, page: Page) -> Html:
    links = {"alerts": "Open", "alerts/history": "History"}
    items = [tag("a", name, href=look.place.path(*path.split("/")),
                 aria_current="page" if path == page.section else None) for path, name in links.items()]
    if look.place.grafana:
        items.append(tag("a", "Grafana", href=look.place.dashboard("/d/sales-alerts"), rel="noreferrer"))
    live = tag("span", tag("span", "not live", id="live-word"), id="live", class_="live", role="status",
               title="Whether this page follows changes by itself", hidden=True) if page.live else None
    who = tag("span", look.login, tag("small", "may act" if look.may_act else "looks only"),
              class_="login") if look.login else None
    return tag("header", tag(
        "div", tag("a", Html(LOGO), tag("span", "Alert desk"), href=look.place.path("alerts"), class_="brand"),
        tag("nav", *items, aria_label="Pages"), tag("div", live, who, class_="aside"), class_="bar"))


def about(case: Case) -> Html:
    """What an alert is called, what it is about, and whose it is; one line."""
    texts = (case.alertname, subject(case), case.labels.get("team", ""))
    return tag("p", join((tag("span", text) for text in texts if text), " "), class_="about")


def degree(case: Case) -> Html:
    """How bad it is, as a badge."""
    kind = severity(case)
    return tag("span", kind if kind != OTHER else case.severity or "no severity", class_=f"badge {kind}")


def taking(look: Look, case: Case, back: str) -> Html | None:
    """The button that acknowledges at one press, for those who may, where nobody has it; then back to a page."""
    if not look.may_act or standing(case) != "unattended":
        return None
    return tag(
        "form", hidden({"token": look.token, "back": back}),
        tag("button", "Acknowledge", id=f"take-{case.fingerprint}", aria_label=f"Acknowledge: {title(case)}"),
        method="post", action=look.place.path("alerts", case.fingerprint, "acknowledge"), class_="take")


def hidden(fields: Mapping[str, str]) -> Html:
    """Fields of a form that people do not see."""
    found = NOTHING
    for name, value in fields.items():
        found += tag("input", type="hidden", name=name, value=value)
    return found
