"""Names of alerts and keys of notices."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sales_exporter.sidecar.outbox.identity import fingerprint, idempotency_key

names = st.text(max_size=8)
groups = st.dictionaries(names, names, max_size=3)
alerts = st.lists(st.tuples(names, st.integers(0, 4_000_000_000_000).map(lambda ms: ms / 1000)), max_size=6)
GROUP, FIRST, SECOND = {"alertname": "A"}, ("25c2cdb12d31dc50", 10.0), ("d2c6efc389df0927", 20.5)


def test_a_fingerprint_is_that_of_alertmanager() -> None:
    assert fingerprint({"severity": "warning", "alertname": "A"}) == "25c2cdb12d31dc50"


@settings(max_examples=40)
@given(groups, alerts, st.randoms(use_true_random=False))
def test_r33_a_notice_that_comes_again_in_any_order_has_the_same_key(group, told, chance) -> None:
    again = [*told, *told]
    chance.shuffle(again)
    turned = dict(reversed(group.items()))
    assert idempotency_key(turned, again, "firing") == idempotency_key(group, told, "firing")


@settings(max_examples=40)
@given(groups, alerts, groups, alerts)
def test_r33_notices_that_differ_have_different_keys(group, told, other, others) -> None:
    same = group == other and set(told) == set(others)
    assert (idempotency_key(group, told, "firing") == idempotency_key(other, others, "firing")) == same
    assert idempotency_key(group, told, "firing") != idempotency_key(group, told, "resolved")


def test_r33_a_start_that_went_through_a_receiver_leaves_the_key_as_it_was() -> None:
    kept = (FIRST[0], 10.000_000_1)
    assert idempotency_key(GROUP, [kept, SECOND], "firing") == idempotency_key(GROUP, [FIRST, SECOND], "firing")
