"""What a page is said to be about."""

from __future__ import annotations

from sales_exporter.sidecar.judging.finding import finding
from tests.sidecar.judging.judgements import NOON, ODD, alarming, series, step, watch


def test_contributors_are_told_apart_by_what_they_do_not_share() -> None:
    email, phone = (series(cluster="demo", channel=channel) for channel in ("email", "phone"))
    page, = step(alarming(watch()), NOON, (email, 106, 100, ODD), (phone, 150, 100, ODD))
    assert [one.name for one in finding(page, NOON, "EUR").contributors] == ['channel="phone"', 'channel="email"']


def test_an_alert_keeps_its_labels_when_another_series_joins_it() -> None:
    made = alarming(watch(by=["channel"]))
    email, phone = series(channel="email"), series(channel="phone")
    step(made, NOON, (email, 106, 100, ODD), (phone, 100, 100, 1.0))
    page, = step(made, NOON + 600, (email, 106, 100, ODD), (phone, 500, 100, ODD))
    assert (page.series, page.entity, page.home.name) == (phone, "channel=email", "leads")


def test_one_series_has_no_contributors_but_its_labels() -> None:
    page, = step(alarming(watch(by=["channel"])), NOON, (series(cluster="demo", channel="email"), 150, 100, ODD))
    found = finding(page, NOON, "EUR")
    assert (found.entity, found.contributors) == ("channel=email", [])
