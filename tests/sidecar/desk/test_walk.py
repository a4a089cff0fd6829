"""Whatever happens in whatever order: in the end the silences that stand are those that people want."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sales_exporter.sidecar.desk.model import Acknowledge, Action, Assign, Resolve, Snooze, Unacknowledge
from sales_exporter.sidecar.desk.seam import Impossible
from sales_exporter.sidecar.desk.silences import GOSSIP
from tests.sidecar.desk.bench import BOB, EVE, HOUR, LEADS, Alertmanager, Bench

pytestmark = pytest.mark.slow

Happening = Callable[[Bench], None]


def acts(action: Action) -> Happening:
    def happen(bench: Bench) -> None:
        if LEADS in bench.book.records:
            try:
                bench.act(action, BOB if isinstance(action, Acknowledge) else EVE)
            except Impossible:
                return

    return happen


def dies(name: str) -> Happening:
    """An Alertmanager dies, and forgets its silences."""
    def happen(bench: Bench) -> None:
        bench.servers[name].answers = False
        bench.servers[name].silences.clear()

    return happen


def returns(name: str) -> Happening:
    """It begins anew; in a cluster it is told of the silences."""
    def happen(bench: Bench) -> None:
        server = bench.servers[name]
        if not server.answers:
            server.answers, server.started_at = True, bench.now
            if bench.clustered:
                server.silences = dict(next(other for other in bench.servers.values() if other is not server).silences)

    return happen


HAPPENINGS: dict[str, Happening] = {
    "looks": lambda bench: bench.look(), "waits": lambda bench: bench.look(400),
    "fires": lambda bench: bench.fires(), "fires anew": lambda bench: bench.fires(starts_at=bench.now),
    "ends": lambda bench: bench.ends(), "restarts": lambda bench: bench.restart(),
    "acknowledges": acts(Acknowledge("mine")), "gives back": acts(Unacknowledge()), "snoozes": acts(Snooze(HOUR)),
    "closes": acts(Resolve()), "assigns": acts(Assign("eve")),
    **{f"{name} {what}": make(name) for name in ("one:9093", "two:9093")
       for what, make in (("dies", dies), ("returns", returns))},
}


@settings(max_examples=300, deadline=None)
@given(steps=st.lists(st.sampled_from(sorted(HAPPENINGS)), max_size=25), clustered=st.booleans())
def test_the_silences_are_those_that_are_wanted_and_the_history_makes_sense(steps: list[str], clustered: bool) -> None:
    bench = Bench(servers={"one:9093": Alertmanager(), "two:9093": Alertmanager()}, clustered=clustered)
    bench.fires()
    for step in ["looks", *steps, "one:9093 returns", "two:9093 returns", "looks"]:
        HAPPENINGS[step](bench)
    for _ in range(6):
        bench.look(GOSSIP)
    record = bench.book.records[LEADS]
    if record.shown:
        wanted: dict[str, Any] = dict.fromkeys(bench.servers, record.muting is not None)
        assert {name: bool(standing(server, bench.now)) for name, server in bench.servers.items()} == wanted
    # Nobody uses another tool here: what is taken for that would be a misunderstanding.
    assert [event for event in bench.events if event.via == "alertmanager"
            and event.kind not in ("fired", "resolved")] == []
    firings = [kind for kind in bench.kinds if kind in ("fired", "resolved")]
    assert firings == ["fired", "resolved"] * (len(firings) // 2) + ["fired"] * (len(firings) % 2)
    assert (firings[-1] == "fired") == record.shown


def standing(server: Alertmanager, now: float) -> list[str]:
    """Ids of the silences that stand."""
    return [one.id for one in server.silences.values() if one.state == "active" and one.ends_at > now]
