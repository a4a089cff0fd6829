"""Hypothesis strategies for what comes from outside: hostile text, label values, samples, requests."""

from __future__ import annotations

from hypothesis import strategies as st

from sales_exporter.model import Distribution, Metric, Sample, counter, gauge, histogram

HOSTILE = (
    "",
    " ",
    "\x00",
    "a\rb",
    "a\r\nb",
    "line\nbreak",
    'quo"te',
    "back\\slash",
    "\\",
    '\\"',
    "\\n",
    "}",
    '"} 1\nfake_metric{a="',
    "a,b=c",
    "# HELP x y",
    "# EOF",
    "\u202egnp.exe",
    "\u2028\u2029\x85",
    "<script>alert(1)</script>",
    "{{ printf \"%s\" . }}",
    "${jndi:ldap://x}",
    "'; DROP TABLE leads; --",
    "\ud800",
    "é\U0001f600",
    "\ufeff",
    "x" * 20_000,
)
"""Strings that broke exporters, parsers, templates or pages elsewhere."""

hostile_text = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=200),
    st.text(alphabet='\\"\n\r,={}# \t\x00', max_size=30),
    st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zl", "Zp"]), max_size=10),
)
"""Any string that a row may hold, the awkward ones often."""

HELP = 'He said "\\n" \\ and\nleft'
GAUGE = gauge("sales_test_info", HELP, "first", "second")
COUNTER = counter("sales_test_seconds_total", HELP, "first")
HISTOGRAM = histogram("sales_test_bytes", HELP, "first", bounds=(0.005, 1, 1_500_000))

numbers = st.floats()
"""Every float, NaN and the infinities too."""

totals = st.floats(min_value=0, allow_nan=False)
"""What a running total may be."""

distributions = st.builds(
    Distribution,
    counts=st.tuples(*[st.integers(0, 2**40)] * (len(HISTOGRAM.bounds) + 1)),
    total=st.floats(0, 1e300),
)


@st.composite
def samples(draw: st.DrawFn) -> list[Sample]:
    """Samples of three metrics in any order, made as collectors make them."""
    drawn = [
        *draw(st.lists(st.builds(lambda a, b, n: GAUGE(n, first=a, second=b), hostile_text, hostile_text, numbers),
                       max_size=6)),
        *draw(st.lists(st.builds(lambda a, n: COUNTER(n, first=a), hostile_text, totals), max_size=4)),
        *draw(st.lists(st.builds(lambda a, d: HISTOGRAM(d, first=a), hostile_text, distributions), max_size=3)),
    ]
    return draw(st.permutations(drawn))


def firsts(found: list[Sample]) -> dict[tuple[Metric, tuple[str, ...]], Sample]:
    """The samples without later ones of the same series."""
    kept: dict[tuple[Metric, tuple[str, ...]], Sample] = {}
    for sample in found:
        kept.setdefault((sample.metric, sample.labels), sample)
    return kept


targets = st.one_of(
    st.just("/metrics"),
    st.text(st.characters(codec="ascii"), max_size=60).map(lambda text: "/" + text),
    st.tuples(st.sampled_from(["/metrics", "/", "/-/ready", "/-/reload", "*", "http://elsewhere/metrics", "//", "/%"]),
              st.text(st.characters(codec="latin-1"), max_size=40)).map(lambda pair: f"{pair[0]}?{pair[1]}"),
    st.sampled_from(["/metrics?target=http://169.254.169.254/", "/metrics?collect[]=../../etc/passwd", "/%00",
                     "/metrics?" + "a" * 1_000_000, "/" + "b" * 9000, "/metrics/../-/reload", "http://[::1/",
                     "/\udcff"]),
)
"""Request targets, some of which no client would send."""

methods = st.one_of(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "CONNECT", "OPTIONS", "PATCH", "PRI", "get"]),
    st.text(st.characters(codec="ascii"), min_size=1, max_size=12),
)
"""Methods, known and invented."""


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """The bytes of a request that ends: roughly HTTP, rarely right."""
    line = f"{draw(methods)} {draw(targets)} {draw(st.sampled_from(['HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'X', '']))}"
    headers = draw(st.lists(st.one_of(
        st.sampled_from(["Host: x", "Accept: */*;q=x", "Accept-Encoding: gzip;q=", "Transfer-Encoding: chunked",
                         "Content-Length: -1", "Content-Length: 5\r\nContent-Length: 6", "Expect: 100-continue",
                         "Upgrade: websocket\r\nConnection: upgrade", "Authorization: Basic !!!",
                         "X: " + "y" * 20_000]),
        st.text(st.characters(codec="latin-1"), max_size=30),
    ), max_size=5))
    return ("\r\n".join([line, *headers]) + "\r\n\r\n").encode("latin-1", "replace")
