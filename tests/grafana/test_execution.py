"""Every query of every dashboard, run by a real Prometheus over two weeks of a whole installation."""

from __future__ import annotations

import pytest

from tests.grafana.asked import silent
from tests.grafana.boards import all_boards
from tests.grafana.stated import stated
from tests.grafana.weeks import Weeks

pytestmark = [pytest.mark.postgres, pytest.mark.stack, pytest.mark.timeout(900)]

BOARDS = all_boards()


@pytest.mark.parametrize("one", [False, True], ids=["all instances", "one instance"])
@pytest.mark.parametrize("name", BOARDS)
def test_every_query_has_a_plausible_answer(weeks: Weeks, name: str, one: bool):
    board = BOARDS[name]
    found = silent(weeks, board, weeks.values(board, one=one))
    if one:
        # Of one instance there may be less.
        assert stated(board["uid"]) <= found
    else:
        assert found == stated(board["uid"])


@pytest.mark.parametrize("name", BOARDS)
def test_marks_on_the_time_axis_are_evaluated(weeks: Weeks, name: str):
    board = BOARDS[name]
    values = weeks.values(board, one=False)
    found = {layer["name"]: weeks.marks(board, layer, values) for layer in board["annotations"]["list"]}
    assert found["Alerts"]
