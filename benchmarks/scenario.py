"""The rules on trial: every fault of a script raises its alert in time, and quiet weeks raise none.

    python benchmarks/scenario.py [--part faults|quiet|both] [--seeds 201 202 203 204 205] [--days 30] [--step 60]
        [--keep DIR]
    python benchmarks/scenario.py --serve DIR [--port 9090]

Faults: 34 days of a generated company of 100 leads and 3,500 calls a day with its incidents (dead campaign, slowed
stage, failing and unsuccessful calls, a slow voice agent, no leads, no calls, a model that drifts), and of the servers
around it with theirs (API outage and latency, lost rows, lost source, targets down, notifications that fail, a disk
that fills). Each has to raise one of its alerts within a stated time and to be resolved by one.

Quiet: for each seed as many days as --days of the same company without incidents, with weekends, a holiday of the
applications, noise, single scrapes that fail and restarts of Prometheus. Nothing but the Watchdog may fire.

Where the numbers come from: exporter/sales_exporter/demo/history. Business numbers are evaluated each hour by the real
collectors on a real PostgreSQL, what no database remembers is invented there. The rules are evaluated by a real
Prometheus on blocks, recording rules first: alerts read what these recorded.

--serve leaves the world that dashboards are looked at in DIR, with the alerts that fired, and prints the command that
starts a Prometheus on it.

Prints a table and a JSON line; exits 1 when a fault is missed or a quiet day is not quiet.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from sales_exporter.demo.binaries import Binaries, obtain
from sales_exporter.demo.history import Fault, History, Plan, build, company, pages, sidecar, trial
from sales_exporter.demo.history.servers import Page
from sales_exporter.demo.history.serving import instructions, ruled, serving
from sales_exporter.demo.history.trial import Verdict
from sales_exporter.demo.history.world import mentioned, world
from sales_exporter.rules import book, told
from sales_exporter.rules.firing import Episode
from sales_exporter.rules.replay import Outcome, Span

DAY = 86_400.0
LEAD_IN = 9
"""Days before what is judged: rules look at the same hours of last week, and a day before those."""
SLACK = 6 * 3_600.0
"""Seconds after a fault in which other alerts are its consequences."""
EXPECTED = "Watchdog"
FAULTS = "faults"
SETTLED = frozenset({"sales_model_settled_decisions"})
"""What the sidecar's judge of drift reads."""
LOOK = 3 * 3_600.0
"""Seconds between two of its looks."""
GAPS, FLICKERS = 3, 12
"""Restarts of Prometheus, four minutes each, and scrapes that failed, in thirty days."""


class Told:
    """Steps and how long they took, on standard error."""

    def __init__(self, about: str) -> None:
        self._about = about

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """One of them."""
        began = time.monotonic()
        yield lambda done, total: None
        print(f"{self._about}: {what}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Quiet:
    """The quiet days of one seed."""

    seed: int
    days: int
    series: int
    fired: tuple[tuple[str, Episode], ...]
    errors: tuple[str, ...]
    seconds: float


def rules() -> book.Book:
    """The rules of this checkout."""
    return book.read([Path("alert_rules/alerts"), Path("alert_rules/recording")])


def disturbances(seed: int, end: float, days: int) -> tuple[tuple[Fault, ...], tuple[tuple[float, float], ...]]:
    """Scrapes that fail and restarts of Prometheus, at any time: invented."""
    rng = np.random.default_rng(seed)
    jobs = ("sales-exporter", "sidecar", "alertmanager", "application", "prometheus")
    flickers = tuple(
        Fault("target_down", float(at), 10.0, subject=str(rng.choice(jobs)))
        for at in end - rng.uniform(0, days, round(FLICKERS * days / 30)) * DAY)
    # Not where an hour's value is, which live has 360 more: the past has only every ninetieth of them.
    hours = np.floor((end - rng.uniform(0, days, round(GAPS * days / 30)) * DAY) / 3_600)
    return flickers, tuple(sorted((hour * 3_600 + 300, hour * 3_600 + 540) for hour in hours.tolist()))


def trial_of_faults(
    programs: Binaries, known: Mapping[str, Page], step: float, keep: Path | None
) -> tuple[list[Verdict], list[Outcome]]:
    """The company with its faults."""
    preset = trial.company(200, trial.INCIDENTS, drift=True)
    found = rules()
    plan = Plan(preset, trial.DAYS, trial.JUDGED + 1, trial.faults(preset.end), only=mentioned(found) | SETTLED,
                ruled=mentioned(found), evenly=True)
    outcomes = evaluated(plan, programs, known, found, trial.JUDGED, step, FAULTS, keep)[0]
    return [trial.judged(one, outcomes) for one in trial.trials(preset)], outcomes


def quiet_days(
    programs: Binaries, known: Mapping[str, Page], days: int, step: float, keep: Path | None, seed: int
) -> Quiet:
    """The company without."""
    began, preset = time.monotonic(), trial.company(seed)
    flickers, gaps = disturbances(seed, preset.end, days)
    holiday = int(preset.end // DAY) - 1 - seed % days
    found = rules()
    plan = Plan(preset, days + LEAD_IN, days + LEAD_IN, flickers, gaps, (holiday,), mentioned(found), mentioned(found),
                evenly=True)
    outcomes, series = evaluated(plan, programs, known, found, days, step, f"seed {seed}", keep)
    fired = tuple((one.alert.title, episode) for one in outcomes for episode in one.fired
                  if one.alert.name != EXPECTED)
    return Quiet(seed, days, series, fired, tuple(f"{one.alert.title}: {one.error}" for one in outcomes if one.error),
                 round(time.monotonic() - began, 1))


def evaluated(plan: Plan, programs: Binaries, known: Mapping[str, Page], found: book.Book, days: float, step: float,
              about: str, keep: Path | None) -> tuple[list[Outcome], int]:
    """What the rules make of a past, over so many days at its end; the blocks of before where they were kept."""
    with contextlib.ExitStack() as stack:
        if keep is None:
            name = stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True))
        folder = Path(name) if keep is None else keep / about.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)
        past = History.found(folder) or build(plan, folder, programs, Told(about), known)
        made = past.linked(folder / "ruled")
        shutil.rmtree(folder / "postgres", ignore_errors=True)
        span = Span(plan.end - days * DAY, plan.end, step)
        outcomes = ruled(made, programs, found, span, Told(about))
        if about == FAULTS:
            with serving(made, programs) as url, Told(about).step("asking the sidecar's judge of drift"):
                looks = np.arange(span.since, span.until + 1, LOOK).tolist()
                outcomes.append(trial.drifted(sidecar.drifts(url, looks, (trial.DAYS - days) * DAY)))
        return outcomes, made.series


def read_pages(programs: Binaries) -> Mapping[str, Page]:
    """What real servers say of themselves, on a small company."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        with company.database(replace(trial.company(1), calls_per_lead=1.0), folder / "postgres") as reader:
            return pages.read(reader, programs, folder / "servers")


def show_faults(verdicts: list[Verdict], outcomes: list[Outcome]) -> None:
    """A table of the faults, and what else fired."""
    table = Table("fault", "from", "alert", "after", "limit", "resolved after", "limit", "", box=None, pad_edge=False)
    for one in verdicts:
        table.add_row(one.trial.fault, moment(one.trial.start), one.alert or " or ".join(one.trial.alerts),
                      length(one.delay), length(one.trial.within), length(one.lasted), length(one.trial.resolved),
                      "met" if one.met else "MISSED")
    console = Console(width=170)
    console.print(table)
    other = trial.unexpected([one.trial for one in verdicts], outcomes, SLACK)
    for name, episode in other:
        console.print(f"besides: {name} {moment(episode.fired or 0)} {told.outcome_labels(episode)}")


def show_quiet(run: Quiet) -> None:
    """A line for a seed, and one for each alert."""
    print(f"seed {run.seed}: {run.days} days, {run.series} series, {len(run.fired)} false alarms, {run.seconds} s",
          flush=True)
    for name, episode in run.fired[:20]:
        print(f"    {name} {moment(episode.fired or 0)}, {length((episode.until or 0) - (episode.fired or 0))}, "
              f"{episode.value:.4g} {told.outcome_labels(episode)}", flush=True)
    for error in run.errors:
        print(f"    not evaluated: {error}", flush=True)


def moment(at: float) -> str:
    """For people."""
    return f"{datetime.fromtimestamp(at, UTC):%a %d %b %H:%M}"


def length(seconds: float | None) -> str:
    """For people."""
    if seconds is None:
        return ""
    return f"{seconds / 60:.0f} min" if abs(seconds) < 7_200 else (
        f"{seconds / 3_600:.1f} h" if abs(seconds) < 172_800 else f"{seconds / DAY:.1f} d")


def serve(programs: Binaries, folder: Path, port: int) -> None:
    """Leave the world in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "tsdb").exists():
        raise SystemExit(f"{folder}/tsdb is there already; give another folder, or remove it")
    made = world(folder, programs, Told("world"))
    print(f"{made.series} series, {made.samples} samples until {moment(made.end)} UTC ({made.end:.0f})")
    print(instructions(made, programs, port))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("faults", "quiet", "both"), default="both")
    parser.add_argument("--seeds", type=int, nargs="+", default=[201, 202, 203, 204, 205])
    parser.add_argument("--days", type=int, default=30, help="quiet days of each seed")
    parser.add_argument("--step", type=float, default=60.0, help="seconds between two evaluations of the rules")
    parser.add_argument("--jobs", type=int, default=2, help="seeds side by side")
    parser.add_argument("--servers", type=Path, default=Path(".sales-exporter"), help="folder for Prometheus")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the blocks there, and use those that are there: "
                        "to try changed rules on the same past, which has the metrics that rules read when it was made")
    parser.add_argument("--serve", type=Path, metavar="DIR")
    parser.add_argument("--port", type=int, default=9090, help="of the Prometheus whose command --serve prints")
    return parser.parse_args()


def main() -> None:
    """Measure, print, and judge."""
    options = arguments()
    programs = obtain(options.servers, lambda text: print(text, file=sys.stderr))
    if options.serve is not None:
        serve(programs, options.serve, options.port)
        return
    seeds = [] if options.part == "faults" else options.seeds
    names = [FAULTS] * (options.part != "quiet") + [f"seed-{seed}" for seed in seeds]
    kept = options.keep is not None and all(History.found(options.keep / name) for name in names)
    known = {} if kept else read_pages(programs)
    verdicts: list[Verdict] = []
    runs: list[Quiet] = []
    if options.part != "quiet":
        verdicts, outcomes = trial_of_faults(programs, known, options.step, options.keep)
        show_faults(verdicts, outcomes)
    if options.part != "faults":
        with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            jobs = [pool.submit(quiet_days, programs, known, options.days, options.step, options.keep, seed)
                    for seed in options.seeds]
            for job in jobs:
                runs.append(job.result())
                show_quiet(runs[-1])
    print(json.dumps({
        "faults": [{"fault": one.trial.fault, "alert": one.alert, "delay_seconds": one.delay,
                    "resolved_seconds": one.lasted, "met": one.met} for one in verdicts],
        "quiet": [{"seed": run.seed, "days": run.days, "series": run.series, "seconds": run.seconds,
                   "false_alarms": Counter(name for name, _ in run.fired)} for run in runs]}))
    if not all(one.met for one in verdicts) or any(run.fired or run.errors for run in runs):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
