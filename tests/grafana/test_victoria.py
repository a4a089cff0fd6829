"""The dashboards on VictoriaMetrics: it answers what Prometheus answers, over the same two weeks.

Numbers are not compared: windows are cut and rates extrapolated differently there, which counts where a window holds
two samples, as here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from sales_exporter.demo.history.world import DAYS
from sales_exporter.grafana.document import expressions
from tests.grafana.asked import silent
from tests.grafana.boards import all_boards
from tests.grafana.export import exported
from tests.grafana.server import Prometheus
from tests.grafana.stated import ELSEWHERE, stated
from tests.grafana.weeks import LOOKBACK, Weeks
from tests.support import victoria

pytestmark = [pytest.mark.postgres, pytest.mark.stack, pytest.mark.timeout(900)]

BOARDS = all_boards()
NAMES = sorted({name for board in BOARDS.values() for _, expr in expressions(board)
                for name in re.findall(r"([a-zA-Z_:][\w:]*)\{", expr)})
"""Every metric that a dashboard asks for."""


@pytest.fixture(scope="module")
def there(weeks: Weeks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weeks]:
    """VictoriaMetrics with the same samples, of which each holds as long."""
    with victoria.serving(tmp_path_factory.mktemp("victoria"), f"-search.maxStalenessInterval={LOOKBACK}") as url:
        victoria.fill(url, "import", exported(weeks.prometheus, NAMES, weeks.end, DAYS))
        yield Weeks(Prometheus(url), weeks.end)


@pytest.mark.parametrize("name", BOARDS)
def test_the_same_questions_find_something(weeks: Weeks, there: Weeks, name: str):
    board = BOARDS[name]
    values = there.values(board, one=False)
    assert values == weeks.values(board, one=False)
    other = {(number, letter) for number, (letters, _) in ELSEWHERE.get(board["uid"], {}).items() for letter in letters}
    assert silent(there, board, values) == stated(board["uid"]) - other


@pytest.mark.parametrize("name", BOARDS)
def test_marks_on_the_time_axis_are_found_as_well(weeks: Weeks, there: Weeks, name: str):
    board = BOARDS[name]
    values = weeks.values(board, one=False)
    for layer in board["annotations"]["list"]:
        assert bool(there.marks(board, layer, values)) == bool(weeks.marks(board, layer, values)), layer["name"]
