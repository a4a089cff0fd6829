"""Forms become actions, within bounds."""

from __future__ import annotations

import pytest

from sales_exporter.sidecar.desk.model import Acknowledge, Action, Assign, Comment, Resolve, Snooze, Unacknowledge
from sales_exporter.sidecar.pages.acting import Unclear, action
from sales_exporter.sidecar.pages.actions import WORDS


@pytest.mark.parametrize(("name", "fields", "made"), [
    ("acknowledge", {"comment": " I look\r\nat it "}, Acknowledge("I look at it")),
    ("unacknowledge", {}, Unacknowledge()), ("resolve", {}, Resolve()),
    ("snooze", {"seconds": "14400", "comment": "later"}, Snooze(14_400.0, "later")),
    ("assign", {"owner": " lena "}, Assign("lena")), ("assign", {}, Assign("")),
    ("comment", {"comment": "x" * 2_000}, Comment("x" * WORDS))])
def test_a_form_says_what_to_do(name: str, fields: dict[str, str], made: Action) -> None:
    assert action(name, fields) == made


@pytest.mark.parametrize(("name", "fields", "said"), [
    ("explode", {}, "no such action"), ("snooze", {}, "for how long"), ("snooze", {"seconds": "1e9"}, "for how long"),
    ("snooze", {"seconds": "nan"}, "for how long"), ("comment", {"comment": " \n"}, "needs words")])
def test_a_form_that_says_nothing_is_refused(name: str, fields: dict[str, str], said: str) -> None:
    with pytest.raises(Unclear, match=said):
        action(name, fields)
