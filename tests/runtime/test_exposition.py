"""Rendering: literal pages, what both parsers read back, and what is kept between renders."""

from __future__ import annotations

import gzip
import math
import subprocess
import sys
import zlib
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

import sales_exporter
from sales_exporter.model import LABEL_LENGTH, Distribution, Sample, counter, gauge, histogram
from sales_exporter.runtime.exposition import Format, Page, Renderer, bound, join, numbers
from tests.support.strategies import GAUGE, HOSTILE, firsts, samples

LEADS = gauge("sales_leads", "Leads.", "stage")
MOVES = counter("sales_moves_total", "Moves.", "stage")
CALLS = histogram("sales_call_seconds", "Calls.", "kind", bounds=(0.5, 30))

FORMATS: tuple[Format, ...] = ("text", "openmetrics")
PARSERS = {"text": text_families, "openmetrics": openmetrics_families}


def rendered(found: list[Sample], kind: Format = "text") -> str:
    return join([Renderer().render(found)], kind, packed=False).decode()


def plain(page: Page) -> bytes:
    return join([page], "text", packed=False)


def read_back(page: str, kind: Format) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in PARSERS[kind](page) for sample in family.samples
    }


def test_text_page_has_help_type_and_one_line_per_series() -> None:
    assert rendered([LEADS(3, stage="lead"), LEADS(1.5, stage="won")]) == (
        "# HELP sales_leads Leads.\n# TYPE sales_leads gauge\n"
        'sales_leads{stage="lead"} 3.0\nsales_leads{stage="won"} 1.5\n'
    )


def test_openmetrics_names_the_family_of_a_counter_without_total() -> None:
    assert rendered([MOVES(2, stage="won")], "openmetrics") == (
        '# HELP sales_moves Moves.\n# TYPE sales_moves counter\nsales_moves_total{stage="won"} 2\n# EOF\n'
    )


def test_text_names_the_family_of_a_counter_with_total() -> None:
    assert rendered([MOVES(2, stage="won")]).startswith("# HELP sales_moves_total Moves.\n")


def test_openmetrics_escapes_quotes_in_help_and_text_does_not() -> None:
    said = gauge("sales_said", 'A "b" \\ c\nd')
    assert rendered([said(1)]).startswith('# HELP sales_said A "b" \\\\ c\\nd\n')
    assert rendered([said(1)], "openmetrics").startswith('# HELP sales_said A \\"b\\" \\\\ c\\nd\n')


@pytest.mark.parametrize("kind", FORMATS)
def test_gauge_whose_name_ends_in_info_stays_a_gauge(kind: Format) -> None:
    page = rendered([GAUGE(1, first="a", second="b")], kind)
    assert [family.type for family in PARSERS[kind](page)] == ["gauge"]


def test_histogram_buckets_are_cumulative_with_sum_and_count() -> None:
    assert rendered([CALLS(Distribution((2, 3, 1), 95.5), kind="ai")]) == (
        "# HELP sales_call_seconds Calls.\n# TYPE sales_call_seconds histogram\n"
        'sales_call_seconds_bucket{kind="ai",le="0.5"} 2\n'
        'sales_call_seconds_bucket{kind="ai",le="30.0"} 5\n'
        'sales_call_seconds_bucket{kind="ai",le="+Inf"} 6\n'
        'sales_call_seconds_sum{kind="ai"} 95.5\n'
        'sales_call_seconds_count{kind="ai"} 6\n'
    )


def test_histogram_that_takes_negative_values_has_no_sum() -> None:
    change = histogram("sales_change", "Change.", bounds=(-1.0, 1.0))
    page = rendered([change(Distribution((1, 1, 1), -7.0))], "openmetrics")
    assert "_sum" not in page
    assert read_back(page, "openmetrics")[("sales_change_bucket", (("le", "+Inf"),))] == 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (5.0, "5"), (-3.0, "-3"), (0.1, "0.1"), (1e-7, "1e-07"),
        (2.0**53, "9007199254740992.0"), (1e300, "1e+300"), (math.inf, "+Inf"), (-math.inf, "-Inf"),
        (math.nan, "NaN"), (5, "5"), (True, "1"),
        (numpy.float64(1.5), "1.5"), (numpy.float32(0.5), "0.5"), (numpy.int64(7), "7"),
    ],
)
def test_number_is_the_shortest_text_of_the_same_float(value: float, text: str) -> None:
    assert numbers([value]) == [text]


def test_one_number_that_is_not_finite_changes_no_other() -> None:
    assert numbers([1.0, 0.25, math.nan, math.inf]) == ["1.0", "0.25", "NaN", "+Inf"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.005, "0.005"), (1.0, "1.0"), (999_999.0, "999999.0"), (1e6, "1e+06"), (2.5e6, "2.5e+06"), (math.inf, "+Inf")],
)
def test_bound_is_written_canonically(value: float, text: str) -> None:
    assert bound(value) == text


def test_samples_of_one_metric_are_grouped_in_the_order_they_first_occur() -> None:
    other = gauge("sales_other", "Other.")
    page = rendered([LEADS(1, stage="a"), other(2), LEADS(3, stage="b")])
    assert [line.split(" ")[0] for line in page.splitlines() if line[0] != "#"] == [
        'sales_leads{stage="a"}', 'sales_leads{stage="b"}', "sales_other"]


def test_first_of_two_samples_of_one_series_is_kept_and_the_other_counted() -> None:
    page = Renderer().render([LEADS(1, stage="a"), LEADS(2, stage="a"), LEADS(3, stage="b")])
    assert plain(page).endswith(b'sales_leads{stage="a"} 1\nsales_leads{stage="b"} 3\n')
    assert (page.series, page.duplicates) == (2, 1)


def test_duplicates_are_dropped_in_every_render() -> None:
    renderer = Renderer()
    for value in (1.0, 2.0):
        page = renderer.render([LEADS(value, stage="a"), LEADS(9, stage="a")])
        assert plain(page).endswith(b'{stage="a"} %d\n' % value)
        assert page.duplicates == 1


@pytest.mark.parametrize("wrong", [-1.0, math.nan])
def test_counter_that_no_parser_takes_is_left_out_and_counted(wrong: float) -> None:
    page = Renderer().render([MOVES(wrong, stage="a"), MOVES(4, stage="b")])
    assert plain(page).endswith(b'# TYPE sales_moves_total counter\nsales_moves_total{stage="b"} 4\n')
    assert page.invalid == 1


@pytest.mark.parametrize("wrong", [Distribution((1, -1, 0), 3.0), Distribution((1, 1, 0), math.nan)])
def test_histogram_that_no_parser_takes_is_left_out_and_counted(wrong: Distribution) -> None:
    page = Renderer().render([CALLS(wrong, kind="ai")])
    assert (plain(page), page.series, page.invalid) == (b"", 0, 1)


def test_second_metric_of_the_same_name_is_left_out_and_counted() -> None:
    page = Renderer().render([LEADS(1, stage="a"), gauge("sales_leads", "Others.", "stage")(2, stage="b")])
    assert b"Others." not in plain(page)
    assert page.invalid == 1


def test_series_that_left_is_gone_and_one_that_came_is_there() -> None:
    renderer = Renderer()
    renderer.render([LEADS(1, stage="a"), LEADS(2, stage="b"), CALLS(Distribution((1, 1, 1), 1.0), kind="x")])
    page = renderer.render([LEADS(5, stage="c"), LEADS(3, stage="b"), CALLS(Distribution((0, 0, 1), 9.0), kind="y")])
    assert read_back(plain(page).decode(), "text") == read_back(
        rendered([LEADS(3, stage="b"), LEADS(5, stage="c"), CALLS(Distribution((0, 0, 1), 9.0), kind="y")]), "text")
    assert 'stage="a"' not in plain(page).decode()


def test_renderer_forgets_series_that_left() -> None:
    renderer = Renderer()
    lengths = []
    for batch in range(3):
        page = renderer.render([LEADS(1, stage=f"{batch}-{i}") for i in range(50)])
        lengths.append((page.series, len(plain(page))))
    assert len(set(lengths)) == 1


def test_rendering_again_gives_what_a_new_renderer_gives() -> None:
    renderer = Renderer()
    for value in (1.0, 2.5, 3.0):
        found = [LEADS(value, stage="a"), MOVES(7, stage="a"), CALLS(Distribution((1, 2, 3), value), kind="ai")]
        assert renderer.render(found) == Renderer().render(found)


@pytest.mark.parametrize("kind", FORMATS)
def test_packed_join_is_one_gzip_member_with_the_same_bytes(kind: Format) -> None:
    pages = [Renderer().render([LEADS(1, stage="a"), MOVES(2, stage="b")]),
             Renderer().render([]), Renderer().render([CALLS(Distribution((1, 2, 3), 4.0), kind="ai")])]
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    plain = reader.decompress(join(pages, kind, packed=True))
    assert reader.eof
    assert reader.unused_data == b""
    assert plain == join(pages, kind, packed=False)


def test_many_series_keep_their_own_numbers() -> None:
    found: list[Sample] = []
    for i in range(2_345):
        found += [LEADS(i + (i % 7) / 8, stage=str(i)), CALLS(Distribution((i, 1, 2), i / 2), kind=str(i))]
    got = read_back(rendered(found), "text")
    assert len(got) == 2_345 * 6
    for i in range(2_345):
        assert got[("sales_leads", (("stage", str(i)),))] == i + (i % 7) / 8
        assert got[("sales_call_seconds_count", (("kind", str(i)),))] == i + 3
        assert got[("sales_call_seconds_sum", (("kind", str(i)),))] == i / 2


def test_join_of_nothing_is_a_valid_empty_page() -> None:
    assert join([], "text", packed=False) == b""
    assert gzip.decompress(join([], "text", packed=True)) == b""
    assert list(openmetrics_families(join([], "openmetrics", packed=False).decode())) == []


def test_lone_surrogate_in_a_sample_made_by_hand_does_not_fail_the_page() -> None:
    page = rendered([Sample(LEADS, ("\ud800",), 1.0)])
    assert 'sales_leads{stage="?"} 1' in page


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("text", HOSTILE)
def test_r11_hostile_label_value_reads_back_as_sent(text: str, kind: Format) -> None:
    sent = LEADS(1, stage=text)
    assert read_back(rendered([sent], kind), kind) == {("sales_leads", (("stage", sent.labels[0]),)): 1.0}
    assert len(sent.labels[0]) <= LABEL_LENGTH


@pytest.mark.parametrize("kind", FORMATS)
@given(found=samples())
def test_r11_any_samples_read_back_as_sent(kind: Format, found: list[Sample]) -> None:
    page = Renderer().render(found)
    got = read_back(join([page], kind, packed=False).decode(), kind)
    kept = firsts(found)
    assert page.duplicates == len(found) - len(kept)
    assert page.series == len(got)
    for sample in kept.values():
        labels = tuple(zip(sample.metric.labels, sample.labels, strict=True))
        if isinstance(sample.value, Distribution):
            assert got[(sample.metric.name + "_count", labels)] == sum(sample.value.counts)
            assert got[(sample.metric.name + "_sum", labels)] == sample.value.total
        else:
            assert got[(sample.metric.name, labels)] == pytest.approx(sample.value, rel=0, abs=0, nan_ok=True)


def test_importing_the_exposition_imports_no_third_party() -> None:
    code = ("import sys, sales_exporter.runtime.exposition;"
            "print(sorted({m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names)))")
    source = Path(sales_exporter.__file__).parent.parent
    code = f"import sys; sys.path.insert(0, {str(source)!r}); {code}"
    answer = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "['__main__', 'sales_exporter']"
