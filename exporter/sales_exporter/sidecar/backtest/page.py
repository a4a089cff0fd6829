"""The page of a backtest: one HTML file without scripts or anything from elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from sales_exporter.sidecar.backtest.axes import local
from sales_exporter.sidecar.backtest.outcome import Outcome, Watched
from sales_exporter.sidecar.backtest.picture import COLOURS, caption, close_up, heading, marked, picture, unit_words
from sales_exporter.sidecar.backtest.record import Alert
from sales_exporter.sidecar.backtest.words import count, lasted, likely, notices, sentences, verdict
from sales_exporter.sidecar.fleet.incidents import Incident, stamp
from sales_exporter.sidecar.fleet.quantities import digits, duration, line
from sales_exporter.sidecar.fleet.severity import CLASSES

_STYLE = """
:root{color-scheme:light dark;--ink:#1f2733;--soft:#5b6675;--edge:#dfe4ea;--paper:#fff;--ground:#f5f7f9;
--link:#17528f;--good:#1b6e3c;--bad:#b3261e;--warn:#a65300}
@media(prefers-color-scheme:dark){:root{--ink:#e7ecf2;--soft:#9fabba;--edge:#2c3540;--paper:#14191f;--ground:#0c1014;
--link:#9ccbff;--good:#7fd6a0;--bad:#ff8a80;--warn:#ffb561}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:1rem}
@media(prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
main,header{max-width:64rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.5rem}
h1{font-size:1.5rem;line-height:1.2;margin:0 0 .25rem}
h2{font-size:1.15rem;line-height:1.3;margin:0}
h3{font-size:1rem;margin:1.5rem 0 .5rem}
a{color:var(--link);text-underline-offset:.15em}
a:focus-visible,[tabindex]:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:4px}
.skip{position:absolute;left:-999rem}.skip:focus{left:1rem;top:.5rem;background:var(--paper);padding:.5rem 1rem}
.soft,figcaption,footer{color:var(--soft)}
.card{background:var(--paper);border:1px solid var(--edge);border-radius:10px;padding:1rem;margin:1rem 0}
.verdict{border-left:6px solid var(--good)}.verdict.over{border-left-color:var(--bad)}
.verdict p{margin:0}.verdict .says{font-size:1.25rem;line-height:1.35;font-weight:600}
.verdict .soft{margin-top:.35rem}
.numbers{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:1rem;margin:1rem 0 0}
.numbers div{min-width:0}.numbers dt{color:var(--soft);font-size:.85rem}
.numbers dd{margin:0;font-size:1.15rem;font-weight:600;font-variant-numeric:tabular-nums}
.notices{border-left:6px solid var(--warn);padding-left:1rem}.notices ul{margin:0;padding-left:1.1rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding-bottom:.5rem}
th,td{padding:.4rem .6rem;text-align:right;border-top:1px solid var(--edge);vertical-align:top}
thead th{border-top:0;color:var(--soft);font-weight:500;font-size:.85rem;white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0;font-weight:500}
td:last-child,th:last-child{padding-right:0}
.none{color:var(--soft)}
figure{margin:.75rem 0 0}figure svg{display:block;overflow:visible}figcaption{font-size:.9rem;margin-top:.5rem}
ol.alerts{list-style:none;margin:1rem 0 0;padding:0}
ol.alerts li{display:grid;grid-template-columns:2rem 1fr;gap:.25rem .5rem;padding:.75rem 0;
border-top:1px solid var(--edge)}
ol.alerts p,ol.alerts figure{grid-column:2;margin:0;min-width:0}ol.alerts figure{margin-top:.35rem}
.no{width:1.6rem;height:1.6rem;border-radius:50%;display:grid;place-items:center;color:var(--paper);font-size:.8rem;
font-weight:600;background:var(--c)}
.tag{display:inline-block;border:1px solid var(--c);color:var(--c);border-radius:1rem;padding:0 .6rem;font-size:.8rem;
line-height:1.5;margin-left:.35rem;white-space:nowrap}
.critical{--c:var(--bad)}.warning{--c:var(--warn)}.info{--c:var(--soft)}
footer{max-width:64rem;margin:0 auto;padding:0 1rem 3rem;font-size:.9rem}
@media(max-width:40rem){.card{padding:.85rem;border-radius:8px}th,td{padding:.4rem .35rem}.wide{display:none}}
@media print{body{background:#fff}.card{break-inside:avoid}}
"""


def page(found: Outcome, limit: float) -> str:
    """The whole page. ``limit`` is what pages a week are held against."""
    over = "" if found.per_week <= limit else " over"
    span = f"{local(found.span.start, found.zone)} to {local(found.span.until, found.zone)}"
    seen = [one for one in found.watches if one.series]
    return "".join((
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>Backtest: {escape(verdict(found, limit))}</title><style>{COLOURS}{_STYLE}</style></head><body>",
        '<a class="skip" href="#watches">To the watches</a>',
        f'<header><h1>Backtest</h1><p class="soft">{escape(span)} ({escape(found.zone.key)})</p></header><main>',
        f'<section class="card verdict{over}" aria-label="Result"><p class="says">{escape(verdict(found, limit))}</p>',
        *(f'<p class="soft">{escape(said)}</p>' for said in (likely(found),) if said),
        *_numbers(found), "</section>", *_notices(found), *_summary(found, seen), *_incidents(found),
        *(part for one in seen for part in _section(one, found)),
        f"</main><footer><p>Judged moment by moment, every {escape(duration(found.span.step))}, from what was known at "
        "each of them, with the same code and settings as live. The shaded range is where 95 % of single samples are "
        f"expected. It took {escape(duration(found.seconds))}.</p></footer></body></html>\n"))


def _numbers(found: Outcome) -> Iterator[str]:
    yield '<dl class="numbers">'
    for name, value in (
        ("False pages accepted", f"{digits(found.budget)} a week"), ("Pages", f"{found.pages:,}"),
        ("Time judged", f"{digits(round(found.weeks, 2))} weeks"),
        ("Series", f"{found.series:,} in {count(sum(bool(one.series) for one in found.watches), 'watch')}"),
    ):
        yield f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>"
    yield "</dl>"


def _notices(found: Outcome) -> Iterator[str]:
    said = list(notices(found))
    if said:
        yield '<section class="card notices" aria-label="To know"><ul>'
        yield from (f"<li>{escape(one)}</li>" for one in said)
        yield "</ul></section>"


def _summary(found: Outcome, seen: list[Watched]) -> Iterator[str]:
    if not seen:
        yield '<section class="card" id="watches"><p>No watch has any data.</p></section>'
        return
    yield ('<section class="card" id="watches"><div class="scroll" tabindex="0" role="region" aria-label="Watches">'
           "<table><caption>Watches, those with most pages first</caption><thead><tr>"
           '<th scope="col">Watch</th><th scope="col">Pages</th><th scope="col">A week</th>'
           '<th scope="col" class="wide">Worst</th><th scope="col" class="wide">Longest</th>'
           '<th scope="col">Series</th></tr></thead><tbody>')
    for one in seen:
        pages = [alert for alert in one.alerts if alert.incident is None]
        worst = max(pages, key=lambda alert: CLASSES.index(alert.severity), default=None)
        longest = max((alert.until - alert.at + found.span.step for alert in pages), default=0.0)
        rate = digits(one.pages / one.weeks) if one.weeks else "-"
        quiet = "" if one.pages else ' class="none"'
        yield (f'<tr><th scope="row"><a href="#watch-{one.watch.name}">{escape(heading(one))}</a></th>'
               f"<td{quiet}>{one.pages}</td><td{quiet}>{rate}</td>"
               f'<td class="wide">{_tag(worst) if worst else ""}</td>'
               f'<td class="wide">{escape(duration(longest)) if longest else ""}</td><td>{one.series:,}</td></tr>')
    yield "</tbody></table></div></section>"


def _incidents(found: Outcome) -> Iterator[str]:
    if not found.incidents:
        return
    yield '<section class="card" aria-label="Marked incidents"><h2>Marked incidents</h2><ul>'
    for one in found.incidents:
        yield f"<li>{escape(_incident(one, found))}</li>"
    yield "</ul></section>"


def _incident(one: Incident, found: Outcome) -> str:
    told = found.found(one)
    note = f" ({line(one.comment)})" if one.comment else ""
    said = (f"told of {duration(max(told[0].at - one.since, 0.0))} after it began" if told else "not told of")
    return f"{local(one.since, found.zone)}{note}: {said}. What is told of in it counts as no false page."


def _section(one: Watched, found: Outcome) -> Iterator[str]:
    yield (f'<section class="card" id="watch-{one.watch.name}"><h2>{escape(heading(one))}</h2>'
           f'<p class="soft" style="margin:0">{one.watch.name}'
           f"{escape(unit_words(one.watch.unit, found.currency))}</p>")
    if one.course is not None:
        yield (f"<figure>{picture(one, found.span.until, found.zone, found.currency, alone=False)}<figcaption>"
               f'{escape(caption(one))}. <a href="{one.watch.name}.svg">Picture alone</a></figcaption></figure>')
    alerts = marked(one)
    if not alerts:
        yield '<p class="none" style="margin:.75rem 0 0">No alerts.</p></section>'
        return
    yield '<ol class="alerts">'
    for number, alert in enumerate(alerts, 1):
        yield from _alert(number, alert, one, found)
    yield "</ol></section>"


def _alert(number: int, one: Alert, watched: Watched, found: Outcome) -> Iterator[str]:
    moment = f'<time datetime="{stamp(one.at)}">{escape(local(one.at, found.zone))}</time>'
    yield (f'<li class="{one.severity}"><span class="no">{number}</span><div><strong>{moment}</strong>{_tag(one)} '
           f'<span class="soft">{escape(lasted(one, found))}</span></div>')
    for said in sentences(one):
        yield f"<p>{escape(said)}</p>"
    own = one.series.watch == watched.watch.name
    drawn = close_up(one, watched.watch.unit, found.zone, found.currency) if own else ""
    if drawn:
        yield f"<figure>{drawn}</figure>"
    if one.watch != watched.watch.name:
        yield (f'<p class="soft">One page with <a href="#watch-{one.watch}">{escape(one.watch)}</a>, where it is '
               "counted.</p>")
    if one.incident is not None:
        yield f'<p class="soft">Within the marked incident {one.incident}: no false page.</p>'
    yield "</li>"


def _tag(one: Alert) -> str:
    return f'<span class="tag {one.severity}">{one.severity}</span>'

