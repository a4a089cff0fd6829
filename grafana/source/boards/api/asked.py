"""PromQL on requests. Instances of an application answer different requests, so theirs add up."""

from __future__ import annotations

from grafana.source.promql import selector

REQUESTS = "http_server_request_duration_seconds"
STEP, RANGE = "$__rate_interval", "$__range"
LEAST = 20
"""Requests below which a share says nothing; as in the alerts."""
CLIENT_GONE = "499"


def rate(name: str, *by: str, over: str = STEP, routes: bool = True, **matchers: str) -> str:
    """Per second, summed over all labels but ``by``."""
    return f"{_sum(by)} (rate({_where(name, routes, matchers)}[{over}]))"


def count(name: str, *by: str, over: str = STEP, routes: bool = True, **matchers: str) -> str:
    """How many there were."""
    return f"{_sum(by)} (increase({_where(name, routes, matchers)}[{over}]))"


def level(name: str, *by: str, routes: bool = True, **matchers: str) -> str:
    """A gauge of all instances together."""
    return f"{_sum(by)} ({_where(name, routes, matchers)})"


def quantile(q: float, name: str, *by: str, over: str = STEP, routes: bool = True) -> str:
    """A quantile of a histogram, interpolated within its bucket; absent where nothing was observed."""
    return f"histogram_quantile({q}, {rate(f'{name}_bucket', 'le', *by, over=over, routes=routes)}) >= 0"


def failures(*by: str, over: str = STEP) -> str:
    """Failed requests per second: an unhandled error or status 5xx, and never that the client went away."""
    # Not every library sets error_type with a status of 5xx. No series is in both.
    broken = _where(f"{REQUESTS}_count", True, {"error_type": "!", "http_response_status_code": f"!{CLIENT_GONE}"})
    told = _where(f"{REQUESTS}_count", True, {"error_type": "", "http_response_status_code": "~5.."})
    return f"{_sum(by)} (rate({broken}[{over}]) or rate({told}[{over}]))"


def failed_share(*by: str, over: str = STEP) -> str:
    """Failed requests divided by all; 0 where none failed, absent where there was none."""
    everything = rate(f"{REQUESTS}_count", *by, over=over)
    return f"({failures(*by, over=over)} or 0 * {everything}) / ({everything} > 0)"


def enough(*by: str, over: str = STEP) -> str:
    """Where there are enough requests to judge a share by."""
    return f"{count(f'{REQUESTS}_count', *by, over=over)} >= {LEAST}"


def top(label: str, measure: str, most: int = 10) -> str:
    """The values of ``label`` with the most of ``measure`` in the whole time range, so that lines do not come and go.

    ``measure`` is over the range.
    """
    ending = measure.replace(f"[{RANGE}]", f"[{RANGE}] @ end()")
    return f"and on ({label}) topk({most}, {ending})"


def _where(name: str, routes: bool, matchers: dict[str, str]) -> str:
    return selector(name, **({"http_route": "~$route"} if routes else {}), **matchers)


def _sum(by: tuple[str, ...]) -> str:
    return f"sum by ({', '.join(by)})" if by else "sum"
