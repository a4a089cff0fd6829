"""The landing page: what this is, whether each collector is well, and where everything is. Pure text, no script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape

from sales_exporter.collectors import Pass

COLOURS = """
:root{color-scheme:light dark;--paper:#f6f7f9;--card:#fff;--ink:#16202c;--soft:#5b6877;--line:#e1e6ec;
--accent:#0b6e63;--good:#107a4c;--good-bg:#e2f5eb;--bad:#b3261e;--bad-bg:#fdeae8;--wait:#8a5a00;--wait-bg:#fff3d9}
@media (prefers-color-scheme:dark){:root{--paper:#0e1318;--card:#161d25;--ink:#e6ecf2;--soft:#94a3b3;
--line:#263140;--accent:#4fd1bd;--good:#5fd79a;--good-bg:#12301f;--bad:#ff9b93;--bad-bg:#3a1715;--wait:#f2c266;
--wait-bg:#33270d}}
""".strip()
"""Of every page, by day and by night."""

STYLE = COLOURS + """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:60rem;margin:0 auto;padding:2.5rem 1.25rem 3rem}
header{display:flex;gap:1rem;align-items:center}
header svg{width:3rem;height:3rem;flex:none;color:var(--accent)}
h1{font-size:1.6rem;line-height:1.2;margin:0;letter-spacing:-.015em}
h1 small{font-size:.85rem;font-weight:500;color:var(--soft);letter-spacing:0;margin-left:.35rem}
header p{margin:.15rem 0 0;color:var(--soft)}
h2{font-size:1.05rem;margin:2.25rem 0 .75rem}
.notice{margin:1.5rem 0 0;padding:.8rem 1rem;border-radius:.6rem;border:1px solid;font-size:.95rem}
.notice.wait{background:var(--wait-bg);color:var(--wait);border-color:currentColor}
.notice.bad{background:var(--bad-bg);color:var(--bad);border-color:currentColor}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:1.5rem 0 0}
.facts div{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:.8rem 1rem}
dt{color:var(--soft);font-size:.8rem}
dd{margin:.1rem 0 0;font-size:1.25rem;font-weight:600;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
dd small{display:block;font-size:.8rem;font-weight:400;line-height:1.3;color:var(--soft);letter-spacing:0}
nav{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.75rem}
nav a{display:block;background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:.75rem 1rem;
color:inherit;text-decoration:none}
nav a:hover,nav a:focus-visible{border-color:var(--accent);outline:none}
nav b{color:var(--accent);font:600 .95rem/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
nav span{display:block;color:var(--soft);font-size:.85rem}
.table{background:var(--card);border:1px solid var(--line);border-radius:.75rem;overflow:hidden}
table{width:100%;border-collapse:collapse;font-size:.95rem;font-variant-numeric:tabular-nums}
th{text-align:right;color:var(--soft);font-size:.8rem;font-weight:500;padding:.6rem .75rem;
border-bottom:1px solid var(--line);white-space:nowrap}
td{text-align:right;padding:.6rem .75rem;border-top:1px solid var(--line);vertical-align:top;white-space:nowrap}
tbody tr:first-child td{border-top:0}
th:nth-child(-n+2),td:nth-child(-n+2){text-align:left}
th:first-child,td:first-child{padding-left:1rem}
th:last-child,td:last-child{padding-right:1rem}
td:first-child a{color:inherit;font-weight:600;text-decoration-color:var(--line);text-underline-offset:.2em}
td:first-child a:hover{text-decoration-color:currentColor}
td:nth-child(2){white-space:normal}
td:nth-child(2) small{display:block;color:var(--soft);font-size:.82rem;margin-top:.2rem;overflow-wrap:anywhere}
.state{display:inline-block;padding:.05rem .55rem;border-radius:1rem;font-size:.82rem;font-weight:600;
white-space:nowrap}
.good{background:var(--good-bg);color:var(--good)}.bad{background:var(--bad-bg);color:var(--bad)}
.wait{background:var(--wait-bg);color:var(--wait)}
footer{margin-top:2rem;color:var(--soft);font-size:.85rem}
footer a{color:inherit}
.late{color:var(--bad);font-weight:600}
@media (max-width:40rem){main{padding:1.5rem 1rem 2rem}header{align-items:flex-start}
.facts,nav{grid-template-columns:1fr 1fr}thead{display:none}table,tbody,tr,td{display:block}
tr{padding:.75rem 1rem;border-top:1px solid var(--line);display:grid;grid-template-columns:1fr 1fr;gap:.15rem 2rem}
tr:first-child{border-top:0}td,td:first-child,td:last-child{border:0;padding:0;text-align:left}
td:nth-child(2){text-align:right}td:nth-child(n+3){display:flex;justify-content:space-between;font-size:.88rem}
td::before{content:attr(data-name);color:var(--soft);font-weight:400}td:nth-child(-n+2)::before{content:none}}
""".rstrip()

STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

LOGO = (
    '<svg viewBox="0 0 48 48" fill="none" stroke="currentColor" stroke-width="3" stroke-linejoin="round" '
    'stroke-linecap="round" aria-hidden="true"><path d="M5 8h38L29 25v13l-10 5V25Z"/>'
    '<path d="M13 17h4l3-4 4 7 3-3h8" stroke-width="2.5"/></svg>'
)


@dataclass(frozen=True, slots=True)
class Wording:
    """How a server speaks of itself: what it does, what its parts are called, and what a scrape is answered from."""

    about: str
    part: str
    footer: str


EXPORTER = Wording(
    "Sales rows in PostgreSQL become Prometheus series: funnel, ROI, pipeline, reps, calls and models.", "Collector",
    "A scrape never waits for the database: it is answered from the last good pass of each collector.",
)


@dataclass(frozen=True, slots=True)
class View:
    """Everything that the page shows. Times are epoch seconds."""

    words: Wording
    version: str
    telemetry_path: str
    passes: Mapping[str, Pass]
    ready: bool
    replay: bool
    as_of: float
    now: float
    defect: str = ""
    documentation: str = ""
    prefix: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    """Further paths, and what is said of them. Before each path comes the prefix."""


def page(view: View) -> str:
    """The page as HTML."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>sales-exporter</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<header>
{LOGO}
<div>
<h1>sales-exporter <small>{escape(view.version)}</small></h1>
<p>{view.words.about}</p>
</div>
</header>
{_notices(view)}
<dl class="facts">
{_facts(view)}
</dl>
<h2>Endpoints</h2>
<nav>
{_links(view)}
</nav>
<h2>{view.words.part}s</h2>
{_table(view)}
<footer>State at {_moment(view.now)}. {view.words.footer}</footer>
</main>
</body>
</html>
"""


def _notices(view: View) -> str:
    notices = []
    if view.replay:
        notices.append(
            f'<p class="notice wait"><b>Replay.</b> Everything is evaluated at {_moment(view.as_of)}, not now. '
            "Rows from then on do not exist yet.</p>"
        )
    if view.defect:
        notices.append(
            f'<p class="notice bad"><b>Web configuration not reloaded.</b> {escape(view.defect)}. '
            "The one before stays in force.</p>"
        )
    return "\n".join(notices)


def _facts(view: View) -> str:
    passes = view.passes.values()
    well = sum(state.success is True for state in passes)
    failing = sum(state.success is False for state in passes)
    status = f"{failing} failing" if failing else "all well" if view.ready else "starting"
    moment = "now"
    if view.replay:
        day, _, rest = _moment(view.as_of).partition(" ")
        moment = f"{day} <small>{rest}</small>"
    facts = [
        ("Status", f'<dd><span class="state {_tone(failing, view.ready)}">{status}</span></dd>'),
        (f"{view.words.part}s up", f"<dd>{well} of {len(view.passes)}</dd>"),
        ("Series", f"<dd>{sum(state.series for state in passes):,}</dd>"),
        ("Evaluated at", f"<dd>{moment}</dd>"),
    ]
    return "\n".join(f"<div><dt>{name}</dt>{value}</div>" for name, value in facts)


def _tone(failing: int, ready: bool) -> str:
    if failing:
        return "bad"
    return "good" if ready else "wait"


def _links(view: View) -> str:
    links = [
        (view.prefix + path, path, text) for path, text in (
            *view.links.items(), (view.telemetry_path, "what Prometheus scrapes"),
            ("/-/healthy", "200 while the process serves"), ("/-/ready", "200 after each first pass"))
    ]
    if view.documentation:
        links.append((view.documentation, "Documentation", "metrics, alerts, configuration"))
    return "\n".join(
        f'<a href="{escape(target)}"><b>{escape(name)}</b><span>{escape(text)}</span></a>'
        for target, name, text in links
    )


def _table(view: View) -> str:
    if not view.passes:
        return f'<p class="notice wait">No {view.words.part.lower()} is enabled.</p>'
    head = "".join(f"<th>{name}</th>" for name in (view.words.part, "State", "Series", "Took", "Age of data", "Every"))
    # What needs attention comes first.
    urgency = {False: 0, None: 1, True: 2}
    order = sorted(view.passes, key=lambda name: (urgency[view.passes[name].success], name))
    rows = "\n".join(_row(name, view.passes[name], view) for name in order)
    return f'<div class="table"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>'


def _row(name: str, state: Pass, view: View) -> str:
    took = span(state.duration) if state.finished and state.success is not None else "-"
    numbers = [("Series", f"{state.series:,}", ""), ("Took", took, ""), ("Age of data", *_age(state, view.now)),
               ("Every", span(state.interval), "")]
    cells = "".join(f'<td data-name="{title}"{tone}>{value}</td>' for title, value, tone in numbers)
    link = f"{escape(view.prefix + view.telemetry_path)}?collect[]={escape(name)}"
    return f'<tr><td><a href="{link}">{escape(name)}</a></td><td>{_state(state)}</td>{cells}</tr>'


def _age(state: Pass, now: float) -> tuple[str, str]:
    """The age of the last good pass, and how it is shown when two passes are missing."""
    if state.last_success is None:
        return "never", ""
    age = max(0.0, now - state.last_success)
    return span(age), ' class="late"' if age > 2 * state.interval + state.duration else ""


def _state(state: Pass) -> str:
    if state.success:
        return '<span class="state good">ok</span>'
    tone, word = "wait", "off" if state.finished else "waiting"
    if state.success is False:
        tone, word = "bad", f"failing: {state.reason}"
    detail = f"<small>{escape(state.detail)}</small>" if state.detail else ""
    return f'<span class="state {tone}">{escape(word)}</span>{detail}'


def _moment(epoch: float) -> str:
    try:
        return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return "an unknown moment"


def span(seconds: float) -> str:
    """A length of time for people: 3 ms, 4.2 s, 5 min, 3 h, 2 d."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10 and seconds % 1:
        return f"{seconds:.1f} s"
    for unit, size, limit in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
