"""What histories contribute: the arrays' answer is that of a plain reading of one lead after the other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sales_exporter.ledger import leads as ledger
from sales_exporter.ledger.calendar import DAY, HOUR
from sales_exporter.ledger.cube import Tally
from sales_exporter.ledger.leads import LAYOUTS, NO_STAGE, UNKNOWN_STAGE, Leads, Moves, contributions
from sales_exporter.ledger.scheme import Scheme, buckets

SCHEME = Scheme(("lead", "lost", "talk", "offer", "won", "spam"), ("open", "lost", "open", "open", "won", "lost"),
                "America/New_York")
START = 20_000 * DAY
PATH = SCHEME.path


@dataclass(frozen=True)
class One:
    """A lead and its rows (origin, stage, at) in order."""

    counts: bool
    created: int
    channel: int
    campaign: int
    rows: tuple[tuple[int, int, int], ...]


@st.composite
def histories(draw: st.DrawFn) -> One:
    at = st.integers(-20, 60).map(lambda steps: START + steps * 9 * HOUR)
    stage = st.sampled_from([UNKNOWN_STAGE, *range(6)])
    rows = draw(st.lists(st.tuples(stage | st.just(NO_STAGE), stage, at), max_size=8))
    return One(draw(st.booleans() | st.just(True)), draw(at), draw(st.integers(0, 2)), draw(st.integers(0, 2)),
               tuple(sorted(rows, key=lambda row: row[2])))


def arrays(some: list[One]) -> tuple[Leads, Moves]:
    rows = [(i, *row) for i, one in enumerate(some) for row in one.rows]
    columns = [np.array([row[k] for row in rows], dtype=np.int64) for k in range(4)]
    return Leads(
        np.array([one.counts for one in some], dtype=bool),
        *(np.array([getattr(one, name) for one in some], dtype=np.int64)
          for name in ("created", "channel", "campaign")),
    ), Moves(*columns)


def day(at: int) -> int:
    return int(SCHEME.calendar.days(np.array([at]))[0])


def begun(at: int) -> int:
    return int(SCHEME.calendar.starts(np.array([day(at)]))[0])


def bucket(length: int) -> int:
    return int(buckets(np.array([length]))[0])


Plain = dict[str, Counter[tuple[int, ...]]]


def plainly(one: One, found: Plain) -> None:
    """The cells of one lead by its definition, step by step."""
    if not one.counts:
        return
    born = one.created // HOUR
    first: dict[int, int] = {}
    for _, stage, at in one.rows:
        if stage >= 0 and stage != PATH[0]:
            first.setdefault(stage, at)
    found["event"][(born, one.channel, PATH[0])] += 1
    for stage, at in first.items():
        found["event"][(at // HOUR, one.channel, stage)] += 1
    furthest = max([0, *(PATH.index(stage) for stage in first if stage in PATH)])
    for stage in (*PATH[: furthest + 1], *(stage for stage in first if SCHEME.kinds[stage] == "lost")):
        found["cohort"][(born, one.channel, stage)] += 1
        found["campaign"][(day(one.created), one.channel, one.campaign, stage)] += 1
    for origin, stage, at in one.rows:
        if stage >= 0 and origin != UNKNOWN_STAGE:
            found["moves"][(day(at), origin + 1, stage)] += 1
    visited(one, found)
    ended(one, first, found)


def visited(one: One, found: Plain) -> None:
    stage, since, begins = PATH[0], one.created, True
    for number, (_, to, at) in enumerate([row for row in one.rows if row[1] >= 0]):
        if to == stage:
            continue
        if not (number == 0 and at == one.created):
            entered = min(since, at) if begins else since
            found["stays"][(day(entered), stage, bucket(at - entered), to)] += 1
            found["exits"][(day(at), stage, bucket(at - entered))] += 1
            found["stay_time"][(stage, bucket(at - entered))] += at - entered
            for when, direction in ((entered, ledger.IN), (at, ledger.OUT)):
                found["flow"][(day(when), stage, direction)] += 1
                found["flow_time"][(day(when), stage, direction)] += when - begun(when)
        stage, since, begins = to, at, False
    found["open"][(since // HOUR, stage)] += 1
    found["flow"][(day(since), stage, ledger.IN)] += 1
    found["flow_time"][(day(since), stage, ledger.IN)] += since - begun(since)


def ended(one: One, first: dict[int, int], found: Plain) -> None:
    won = min((at for stage, at in first.items() if SCHEME.kinds[stage] == "won"), default=None)
    lost = min((at for stage, at in first.items() if SCHEME.kinds[stage] == "lost"), default=None)
    for result, at in ((ledger.WON, won), (ledger.LOST if won is None else ledger.LOST_THEN_WON, lost)):
        if at is not None:
            took = max(0, at - one.created)
            found["ends"][(day(one.created), one.channel, result, bucket(took))] += 1
            found["cycles"][(result, bucket(took))] += 1
            found["cycle_time"][(result, bucket(took))] += took


def readable(cells: dict[str, Tally]) -> Plain:
    found: Plain = {}
    for layout in LAYOUTS:
        tally = cells[layout.name]
        columns = list(layout.unpack(tally.keys).values())
        keys = zip(*(column.tolist() for column in columns), strict=True)
        found[layout.name] = Counter(dict(zip(keys, tally.counts.tolist(), strict=True)))
    return found


def expected(some: list[One]) -> Plain:
    found: Plain = {layout.name: Counter() for layout in LAYOUTS}
    for one in some:
        plainly(one, found)
    return {name: Counter({key: n for key, n in cells.items() if n}) for name, cells in found.items()}


def lead(*rows: tuple[int, int], created: int = START, counts: bool = True) -> One:
    return One(counts, created, 1, 1, tuple((NO_STAGE, stage, at) for stage, at in rows))


def cells_of(*some: One) -> Plain:
    return readable(contributions(SCHEME, *arrays(list(some))))


@pytest.mark.slow
@settings(max_examples=300)
@given(st.lists(histories(), max_size=6))
def test_cells_are_those_of_a_plain_reading(some: list[One]) -> None:
    assert readable(contributions(SCHEME, *arrays(some))) == expected(some)


@pytest.mark.slow
@given(st.lists(histories(), max_size=5), st.lists(histories(), max_size=5))
def test_leads_contribute_each_for_itself(some: list[One], others: list[One]) -> None:
    whole = contributions(SCHEME, *arrays(some + others))
    parts = [contributions(SCHEME, *arrays(which)) for which in (some, others)]
    for name, tally in whole.items():
        assert not len(tally.plus(parts[0][name].plus(parts[1][name]), -1))


def test_no_leads_make_no_cells() -> None:
    assert set(map(len, cells_of().values())) == {0}


def test_a_test_lead_is_in_no_cell_whatever_it_did() -> None:
    assert set(map(len, cells_of(lead((2, START + DAY), (4, START + 2 * DAY), counts=False)).values())) == {0}


def test_a_skipped_stage_counts_as_reached_in_the_cohort_and_not_as_an_event() -> None:
    found = cells_of(lead((4, START + HOUR)))
    assert sorted(stage for *_, stage in found["cohort"]) == [0, 2, 3, 4]
    assert sorted(stage for *_, stage in found["event"]) == [0, 4]


def test_a_return_reaches_nothing_anew_and_is_a_visit_of_its_own() -> None:
    found = cells_of(lead((2, START + DAY), (0, START + 2 * DAY), (2, START + 3 * DAY)))
    assert found["event"].total() == 2
    assert [(stage, to) for _, stage, _, to in sorted(found["stays"])] == [(0, 2), (2, 0), (0, 2)]


def test_a_lead_that_was_lost_and_won_ends_twice_and_its_loss_is_told_apart() -> None:
    found = cells_of(lead((1, START + DAY), (4, START + 2 * DAY)))
    assert sorted(result for _, _, result, _ in found["ends"]) == [ledger.WON, ledger.LOST_THEN_WON]


def test_who_is_born_in_a_later_stage_never_visited_the_first() -> None:
    found = cells_of(lead((2, START), (4, START + HOUR)))
    assert [(stage, to) for _, stage, _, to in found["stays"]] == [(2, 4)]
    assert found["open"] == {((START + HOUR) // HOUR, 4): 1}


def test_a_first_row_older_than_the_lead_ends_a_visit_of_no_length() -> None:
    found = cells_of(lead((2, START - DAY)))
    assert found["stays"] == {(day(START - DAY), 0, 0, 2): 1}
    assert not found["stay_time"]


def test_every_counted_lead_is_in_one_stage_and_entries_exceed_exits_by_one() -> None:
    some = [lead((2, START + HOUR), (1, START + DAY)), lead(), lead((5, START))]
    found = cells_of(*some)
    assert found["open"].total() == len(some)
    balance: Counter[int] = Counter()
    for (_, _, direction), n in found["flow"].items():
        balance[direction] += n
    assert balance[ledger.IN] - balance[ledger.OUT] == len(some)
