"""S4: what a caller chooses stands within its own matcher and nowhere else in a query."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sales_exporter.api.asked import Chosen, seconds
from sales_exporter.api.dashboards import dashboards, expression
from sales_exporter.api.table import Ref
from sales_exporter.grafana.promql import parsed, selectors

REF = Ref("sales-home", 5, "A")
HOSTILE = ('x"} or vector(1) #', "x\\", "a|b", ".*", "$tenant", "${tenant}", "x\ny", "x\n",
           "x'", "`", "{}", "", "a" * 129, "\x00")
values = st.one_of(st.text(max_size=130), st.from_regex(r"[A-Za-z0-9 .,:;/@_%&=<>!~#-]{1,40}", fullmatch=True))


@pytest.mark.parametrize("text", HOSTILE)
def test_s4_signs_with_a_meaning_in_promql_are_refused(text: str) -> None:
    for name in Chosen.model_fields:
        with pytest.raises(ValidationError):
            Chosen.model_validate({name: text})


@given(text=values)
def test_s4_whatever_is_accepted_is_the_value_of_its_matcher(text: str) -> None:
    try:
        chosen = Chosen(tenant=text, job=text)
    except ValidationError:
        return
    known = {variable.name: variable for variable in dashboards()[REF.board].variables}
    filled = dict.fromkeys(known, "demo") | {name: known[name].stated(value)
                                             for name, value in chosen.model_dump(exclude_none=True).items()}
    found = list(selectors(parsed(expression(REF, filled))))
    assert len(found) == len(list(selectors(parsed(expression(REF, dict.fromkeys(known, "demo"))))))
    for selector in found:
        matchers = {matcher.name: matcher.value for matcher in selector.matchers.matchers}
        assert matchers["tenant"] == text
        assert matchers["cluster"] == "demo"
        assert re.fullmatch(matchers["job"], text)


@pytest.mark.parametrize(("text", "length"), [("30m", 1_800), ("24h", 86_400), ("7d", 604_800), ("4w", 2_419_200)])
def test_a_span_is_a_number_and_a_unit(text: str, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "h", "0h", "24", "24 h", "1y", "-1d", "99999d", "24h\n"])
def test_what_is_no_span_is_none(text: str) -> None:
    with pytest.raises(LookupError):
        seconds(text)
