"""What a page says: its numbers as a finding, from which the words are made."""

from __future__ import annotations

import math

from sales_exporter.sidecar.fleet.words import Contributor, Finding
from sales_exporter.sidecar.judging.alarming import Page
from sales_exporter.sidecar.series import SeriesId


def finding(page: Page, at: float, currency: str) -> Finding:
    """The numbers of a page at a moment; ``currency`` is that of the reports."""
    one, watch = page.verdict, page.watch
    rate = watch.money if isinstance(watch.money, float | int) else math.nan
    others = [Contributor(_apart(each.series, page), each.value, each.expected)
              for each in page.contributors if len(page.contributors) > 1]
    return Finding(
        what=watch.words, entity=page.entity, unit=watch.unit, at=at, since=page.cause.since, value=page.value,
        expected=one.expected, lower=one.lower, upper=one.upper, effect=page.effect, p=one.p, channel=page.channel,
        money=abs(page.value - one.expected) * rate, currency=currency, contributors=others,
        recommendation=f"See {watch.runbook}." if watch.runbook else "")


def _apart(series: SeriesId, page: Page) -> str:
    """What tells a contributor from the others: its watch, if there are several, and labels that not all share."""
    others = [set(one.series.labels) for one in page.cause.members]
    own = tuple(label for label in series.labels if label not in set.intersection(*others))
    several = len({one.series.watch for one in page.cause.members}) > 1
    parts = [series.watch] if several or not own else []
    return " ".join([*parts, SeriesId(series.watch, own).text]).strip()
