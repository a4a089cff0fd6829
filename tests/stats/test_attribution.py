"""Attribution against worked examples, definitions computed in full, and the sum to the cent."""

from __future__ import annotations

from itertools import combinations, pairwise, permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.stats.attribution import MODELS, Journeys, markov, shapley

ONE_EURO = 100


def won(*paths: tuple[int, ...], channels: int = 4, days: tuple[tuple[float, ...], ...] | None = None) -> Journeys:
    """One won deal of a euro for each path."""
    ones = (1,) * len(paths)
    return Journeys(channels, paths, ones, (0,) * len(paths), (ONE_EURO,) * len(paths), days)


@st.composite
def journeys(draw: st.DrawFn) -> Journeys:
    channels = draw(st.integers(1, 6))
    paths = draw(st.lists(st.lists(st.integers(0, channels - 1), max_size=5).map(tuple), max_size=12))
    wins = [draw(st.integers(0, 5)) for _ in paths]
    lost = [draw(st.integers(0, 20)) for _ in paths]
    cents = [draw(st.integers(0, 10**draw(st.integers(1, 17)))) if count else 0 for count in wins]
    days = tuple(tuple(draw(st.floats(0, 5000)) for _ in path) for path in paths)
    return Journeys(channels, tuple(paths), tuple(wins), tuple(lost), tuple(cents), days)


@pytest.mark.parametrize(
    ("model", "path", "cents"),
    [
        ("last", (0, 1, 2), [0, 0, 100, 0]), ("first", (0, 1, 2), [100, 0, 0, 0]),
        ("linear", (0, 1, 0, 2), [50, 25, 25, 0]),
        ("position", (3,), [0, 0, 0, 100]), ("position", (0, 3), [50, 0, 0, 50]),
        ("position", (0, 1, 2, 3), [40, 10, 10, 40]), ("position", (0, 1, 0), [80, 20, 0, 0]),
    ],
)
def test_a_rule_divides_a_deal_as_it_says(model: str, path: tuple[int, ...], cents: list[int]) -> None:
    assert MODELS[model](won(path)).cents.tolist() == cents


def test_time_decay_halves_each_seven_days() -> None:
    credit = MODELS["time_decay"](won((0, 1, 2), days=((14.0, 7.0, 0.0),)))
    # 1 : 2 : 4 of a euro is 14.29, 28.57 and 57.14 cents.
    assert credit.cents.tolist() == [14, 29, 57, 0]


def test_time_decay_of_touches_long_ago_counts_from_the_nearest() -> None:
    assert MODELS["time_decay"](won((0, 1), days=((9007.0, 9000.0),))).cents.tolist() == [33, 67, 0, 0]


def test_time_decay_without_days_is_refused() -> None:
    with pytest.raises(ValueError, match="days from each touch"):
        MODELS["time_decay"](won((0, 1)))


def test_a_remainder_goes_to_the_largest_fraction_and_then_to_the_lowest_code() -> None:
    assert MODELS["linear"](won((0, 1, 2))).cents.tolist() == [34, 33, 33, 0]


@given(journeys())
def test_other_counts_of_the_same_paths_are_credited_like_new_journeys(some: Journeys) -> None:
    nothing = (0,) * len(some.paths)
    paths = Journeys(some.channels, some.paths, nothing, nothing, nothing, some.days)
    again = paths.counting(some.won, some.lost, some.cents)
    assert (paths.won, paths.cents) == (nothing, nothing)
    for model in MODELS.values():
        mine, theirs = model(again), model(some)
        assert mine.cents.tolist() == theirs.cents.tolist()
        assert mine.unassigned == theirs.unassigned
    if some.paths:
        with pytest.raises(ValueError, match="negative"):
            paths.counting((-1,) * len(some.paths), nothing, nothing)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_deals_without_a_touch_are_unassigned_and_not_spread(model: str) -> None:
    paths = Journeys(2, ((), (0,), (1,)), (1, 1, 1), (9, 1, 1), (500, 300, 300), ((), (1.0,), (2.0,)))
    credit = MODELS[model](paths)
    assert (credit.unassigned, credit.cents.tolist()) == (500, [300, 300])


@given(journeys())
def test_every_model_sums_to_the_revenue_to_the_cent(some: Journeys) -> None:
    for model in MODELS.values():
        credit = model(some)
        assert sum(credit.cents.tolist()) + credit.unassigned == sum(some.cents)
        assert (credit.cents >= 0).all()


@given(journeys())
def test_a_channel_without_a_won_deal_gets_nothing(some: Journeys) -> None:
    winners = {code for path, wins in zip(some.paths, some.won, strict=True) if wins for code in path}
    # In the chain, touches of different leads follow each other: there a channel may lead to one that wins.
    for name in MODELS.keys() - {"markov"}:
        assert set(np.flatnonzero(MODELS[name](some).cents).tolist()) <= winners


@pytest.mark.parametrize("model", sorted(MODELS))
def test_nothing_is_credited_of_nothing(model: str) -> None:
    assert MODELS[model](Journeys(3, (), (), (), (), ())).cents.tolist() == [0, 0, 0]


@pytest.mark.parametrize("model", sorted(MODELS))
def test_one_channel_on_all_paths_gets_all(model: str) -> None:
    paths = Journeys(3, ((1,), (1, 1)), (3, 2), (7, 8), (700, 333), ((1.0,), (2.0, 1.0)))
    assert MODELS[model](paths).cents.tolist() == [0, 1033, 0]


def test_markov_agrees_with_the_worked_example_of_the_literature() -> None:
    # 0 > 1 > 2 is won, 0 and 1 > 2 are lost: removal effects 1/2, 1 and 1.
    paths = Journeys(3, ((0, 1, 2), (0,), (1, 2)), (1, 0, 0), (0, 1, 1), (1000, 0, 0))
    assert markov(paths).cents.tolist() == [200, 400, 400]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_markov_agrees_with_chains_from_which_the_channel_is_taken(order: int) -> None:
    paths = Journeys(
        4, ((0, 1, 0, 2), (1, 1, 3), (2, 0), (3,), (0, 3, 1), (2, 2, 2, 0), ()),
        (30, 20, 10, 5, 40, 8, 3), (50, 100, 20, 80, 60, 9, 70), (3000, 2000, 1000, 500, 4000, 800, 0),
    )
    whole = conversion(paths, order, None)
    effects = np.array([1 - conversion(paths, order, channel) / whole for channel in range(4)])
    expected = sum(paths.cents) * effects / effects.sum()
    assert markov(paths, order).cents == pytest.approx(expected, abs=1)


def conversion(paths: Journeys, order: int, without: int | None) -> float:
    """Conversion probability by pushing leads through the chain step by step."""
    flows: dict[tuple[int, ...], dict[tuple[int, ...] | str, float]] = {}
    for path, wins, losses in zip(paths.paths, paths.won, paths.lost, strict=True):
        states = [path[max(0, end - order) : end] for end in range(len(path) + 1)] if path else []
        for before, after, count in [
            *((one, other, wins + losses) for one, other in pairwise(states)),
            *((states[-1], end, count) for end, count in (("won", wins), ("lost", losses)) if states),
        ]:
            out = flows.setdefault(before, {})
            out[after] = out.get(after, 0.0) + count
    mass, done = {(): 1.0}, 0.0
    for _ in range(400):
        following: dict[tuple[int, ...], float] = {}
        for before, part in mass.items():
            total = sum(flows[before].values())
            for after, count in flows[before].items():
                if after == "won":
                    done += part * count / total
                elif isinstance(after, tuple) and after[-1] != without:
                    following[after] = following.get(after, 0.0) + part * count / total
        mass = following
    return done


@pytest.mark.parametrize("order", [0, 4])
def test_markov_of_another_order_is_refused(order: int) -> None:
    with pytest.raises(ValueError, match="order"):
        markov(won((0,)), order)


def test_a_chain_of_too_many_states_is_refused() -> None:
    with pytest.raises(ValueError, match="lower order"):
        markov(won(tuple(range(4001)), channels=4001))


def many(rate: dict[tuple[int, ...], float], leads: int = 10_000_000, channels: int = 3) -> Journeys:
    """So many leads for each set that its rate is not smoothed; each deal a euro."""
    wins = tuple(round(leads * share) for share in rate.values())
    return Journeys(channels, tuple(rate), wins, tuple(leads - count for count in wins), tuple(100 * n for n in wins))


def test_shapley_pays_additive_effects_and_not_what_is_won_anyway() -> None:
    rate = {(): 0.1, (0,): 0.2, (1,): 0.3, (2,): 0.1, (0, 1): 0.4, (0, 2): 0.2, (1, 2): 0.3, (0, 1, 2): 0.4}
    cents = shapley(many(rate)).cents
    # Each channel touches equally many: credit goes by 0.1 : 0.2 : 0.
    assert cents / cents.sum() == pytest.approx([1 / 3, 2 / 3, 0], abs=1e-5)


def test_shapley_agrees_with_the_mean_over_all_orders_of_joining() -> None:
    rate = {(): 0.05, (0,): 0.1, (1,): 0.2, (2,): 0.15, (0, 1): 0.5, (0, 2): 0.2, (1, 2): 0.3, (0, 1, 2): 0.7}
    table = {frozenset(path): share for path, share in rate.items()}
    values = np.zeros(3)
    for order in permutations(range(3)):
        for place, channel in enumerate(order):
            before, after = frozenset(order[:place]), frozenset(order[: place + 1])
            values[channel] += sum(table[one & after] - table[one & before] for one in table) / factorial(3)
    cents = shapley(many(rate)).cents
    assert cents / cents.sum() == pytest.approx(values / values.sum(), abs=1e-5)


def test_shapley_counts_a_lead_once_whatever_the_order_of_its_touches() -> None:
    one = Journeys(2, ((0, 1), (0,), (1,)), (30, 20, 10), (70, 80, 90), (300, 200, 100))
    other = Journeys(2, ((1, 0, 1), (0, 1), (0, 0), (1,)), (10, 20, 20, 10), (30, 40, 80, 90), (100, 200, 200, 100))
    assert shapley(one).cents.tolist() == shapley(other).cents.tolist()


def test_shapley_credits_channels_of_larger_deals_with_more() -> None:
    paths = Journeys(2, ((0,), (1,)), (1000, 1000), (9000, 9000), (100_000, 300_000))
    assert shapley(paths).cents == pytest.approx([100_000, 300_000], rel=0.03)


def test_channels_that_only_hinder_get_nothing() -> None:
    rate = {(): 0.3, (0,): 0.4, (1,): 0.2, (0, 1): 0.3}
    cents = shapley(many(rate, channels=2)).cents
    assert cents[1] == 0
    assert cents[0] == sum(many(rate).cents) - 300_000_000


def test_revenue_stays_unassigned_if_no_channel_adds_to_it() -> None:
    paths = many({(): 0.5, (0,): 0.2, (1,): 0.3}, channels=2)
    credit = shapley(paths)
    assert (credit.cents.sum(), credit.unassigned) == (0, sum(paths.cents))


def test_equal_channels_get_equal_credit() -> None:
    paths = Journeys(3, ((0,), (1,), (0, 2), (1, 2)), (40, 40, 60, 60), (60, 60, 40, 40), (400, 400, 600, 600))
    assert abs(int(np.diff(shapley(paths).cents[:2])[0])) <= 1


def test_sampled_values_agree_with_equal_shares_within_their_error() -> None:
    # One set of 14 channels and no other: by symmetry 1/14 each, though the fit alone cannot say so exactly.
    paths = Journeys(14, (tuple(range(14)), (0,)), (500, 100), (500, 900), (1_400_000, 0))
    credit = shapley(paths)
    assert (credit.error >= 0).all()
    assert credit.cents[2:] == pytest.approx(credit.cents[1], abs=5 * credit.error.max() + 2)


def test_sampling_reaches_what_is_computed_exactly() -> None:
    rng = np.random.default_rng(5)
    paths = [tuple(code) for size in range(1, 6) for code in combinations(range(5), size)]
    wins = rng.integers(50, 300, len(paths)).tolist()
    some = Journeys(5, tuple(paths), tuple(wins), (1000,) * len(paths), tuple(100 * n for n in wins))
    exact = shapley(some)
    sampled = shapley(some, exact_up_to=2)
    assert (np.abs(sampled.cents - exact.cents) <= 4 * sampled.error + 1).all()
    assert (sampled.error > 0).all()
    assert (exact.error == 0).all()


def test_fifty_channels_are_exact_when_each_lead_has_few() -> None:
    rng = np.random.default_rng(8)
    paths = tuple(tuple(rng.choice(50, size, replace=False).tolist()) for size in rng.integers(1, 6, 300))
    credit = shapley(Journeys(50, paths, (2,) * 300, (8,) * 300, (1000,) * 300))
    assert (credit.error == 0).all()


def test_more_channels_than_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="62"):
        shapley(won((0,), channels=63))


@pytest.mark.parametrize(
    ("channels", "paths", "wins", "lost", "cents", "days", "message"),
    [
        (1, ((0,),), (1, 1), (0,), (5,), None, "one length"),
        (1, ((1,),), (1,), (0,), (5,), None, "channel codes"),
        (1, ((-1,),), (1,), (0,), (5,), None, "channel codes"),
        (1, ((0,),), (1,), (-1,), (5,), None, "negative"),
        (1, ((0,),), (0,), (1,), (5,), None, "without a won deal"),
        (1, ((0,),), (1,), (1,), (5,), ((),), "each touch"),
    ],
)
def test_impossible_journeys_are_refused(
    channels: int, paths: tuple[tuple[int, ...], ...], wins: tuple[int, ...], lost: tuple[int, ...],
    cents: tuple[int, ...], days: tuple[tuple[float, ...], ...] | None, message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        Journeys(channels, paths, wins, lost, cents, days)
