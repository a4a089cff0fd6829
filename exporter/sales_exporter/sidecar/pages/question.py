"""Pages with one thing to say: the question behind a signed link, what came of it, and what went wrong."""

from __future__ import annotations

from sales_exporter.sidecar.desk.model import Case
from sales_exporter.sidecar.pages.actions import NAME
from sales_exporter.sidecar.pages.frame import Look, Page, about, degree, framed
from sales_exporter.sidecar.pages.markup import Html, join, tag
from sales_exporter.sidecar.pages.words import title, who


def question(look: Look, case: Case, receiver: str, path: str) -> str:
    """Whether to acknowledge; only the button does it. ``receiver`` is whom the link was sent to."""
    form = tag("form", tag("div", tag("label", "Your name, for the others", for_="name"), tag(
        "input", id="name", name="name", placeholder=receiver, maxlength=str(NAME), autocomplete="name"),
        class_="field"), tag("button", "Acknowledge", class_="main", id="confirm"), method="post", action=path)
    shown = tag("div", tag("p", degree(case), tag("span", look.times.since(case.starts_at), class_="age"),
                           class_="badges"),
                tag("h2", title(case)), about(case), tag("p", who(case), class_="soft"), class_="asked-about")
    means = (f"{case.acknowledged_by} has it already: it would be yours." if case.state == "acknowledged"
             else "Nobody else is called while it fires, and it does not escalate.")
    return _single(look, "Acknowledge this alert?", join((shown, tag("p", means, class_="soft"), form)))


def answered(look: Look, case: Case, said: str) -> str:
    """What came of it."""
    return _single(look, "Done", join((tag("p", said), tag("p", tag("b", title(case))), tag(
        "p", tag("a", "Show the alert", href=look.place.path("alerts", case.fingerprint), class_="chip")))), "good")


def refused(look: Look, heading: str, why: str, *, back: str = "") -> str:
    """What could not be done, and the way on."""
    return _single(look, heading, join((tag("p", why), tag(
        "p", tag("a", "Back to the alert" if back else "All open alerts", href=back or look.place.path("alerts"),
                 class_="chip")))), "bad")


def _single(look: Look, heading: str, inside: Html, tone: str = "") -> str:
    return framed(look, Page(heading), tag("section", tag("h1", heading), inside, class_=f"single card {tone}".strip()))
