"""Puts the parts of a made-up past together and makes blocks of them that a Prometheus can be started on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from sales_exporter.collectors import exporter, source
from sales_exporter.demo.binaries import Binaries
from sales_exporter.demo.filling import Report
from sales_exporter.demo.generator import Preset
from sales_exporter.demo.history import application, company, host, pages, servers
from sales_exporter.demo.history.faults import Fault, Floats, of_kind
from sales_exporter.demo.history.season import DAY, busy
from sales_exporter.demo.history.servers import Page
from sales_exporter.demo.layout import CLUSTER, INSTANCES, TENANT
from sales_exporter.runtime import blocks
from sales_exporter.runtime.blocks import HOUR, Batch, Series, Steps

APPLICATIONS = {"application-1:8000": 0.6, "application-2:8000": 0.4}
"""Instances of the application, and their shares of its traffic."""
TOO_MUCH = ("go_", "net_conntrack_", "prometheus_http_", "prometheus_sd_", "prometheus_engine_", "prometheus_api_",
            "prometheus_template_", "promhttp_")
"""Beginnings of names that a page of a server has by the hundred, and that no rule and no dashboard of ours reads."""
NOTE = "history.json"
FOUND = ("sales_anomaly_", "sales_false_alarm_", "sales_drift_", "sales_retraining_", "sales_forecast",
         "sales_capacity_", "sales_finding_", "sales_insight_", "sales_trend_", "sales_sidecar_series",
         "sales_alert_active", "sales_alert_acknowledged", "sales_alert_started_", "sales_alert_time_to_",
         "sales_alert_escalations_", "sales_desk_")
"""Beginnings of names of what the sidecar finds and its desk holds: nothing, on the pages of one that has no past."""
PROBED = frozenset({source.UP.name, exporter.LAST.name, "sales_sidecar_last_tick_timestamp_seconds"})
"""Read by alerts that look at half a minute, or compare a moment with the clock."""


@dataclass(frozen=True, slots=True)
class Grain:
    """Seconds between two samples: where the live scrape has ten, a past of weeks cannot afford them."""

    business: int = HOUR
    """Business gauges, which hold their hourly value."""
    ruled: int = 900
    """Those that rules read: alerts look at half an hour of them."""
    counters: int = 300
    """Running totals of the business."""
    application: int = 300
    host: int = 300
    servers: int = 120
    """What servers say of themselves; alerts look at three minutes of it."""
    probes: int = 30
    """``up``, and what alerts look at half a minute of."""

    @property
    def lookback(self) -> str:
        """``--query.lookback-delta`` of a Prometheus on such blocks: a value has to last until the next one."""
        return f"{max(300, self.business, self.counters) // 60 + 1}m"


@dataclass(frozen=True, slots=True)
class Plan:
    """What past is wanted. It ends with the preset's data, which has to be at a full hour."""

    preset: Preset
    days: int
    """Of the business and the host."""
    recent_days: float
    """Of everything else, but what rules read of applications; less is less work, and no other rule needs more."""
    faults: tuple[Fault, ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()
    """Times [from, to) in which Prometheus did not run."""
    holidays: tuple[int, ...] = ()
    """Epoch days on which applications have little to do."""
    only: frozenset[str] | None = None
    """Names of the metrics that are wanted; None is all."""
    ruled: frozenset[str] = frozenset()
    """Names of metrics that rules read."""
    grain: Grain = field(default_factory=Grain)
    evenly: bool = False
    """As for ``company.evaluated``."""

    @property
    def end(self) -> float:
        """The last moment."""
        return self.preset.end

    @property
    def start(self) -> float:
        """The first moment."""
        return self.end - self.days * DAY

    def grid(self, step: int, days: float | None = None) -> Floats:
        """Moments from the start, or so many days before the end, to the end."""
        since = self.start if days is None else max(self.start, self.end - days * DAY)
        return np.arange(since, self.end + 1, step, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class History:
    """Blocks of a past, and what they need."""

    tsdb: Path
    start: float
    end: float
    series: int
    samples: int
    lookback: str

    @classmethod
    def found(cls, folder: Path) -> History | None:
        """What was built in a folder before, if it was."""
        noted = folder / NOTE
        return cls(folder / "tsdb", **json.loads(noted.read_text())) if noted.exists() else None

    def linked(self, folder: Path) -> History:
        """The same blocks in ``folder/tsdb``, replaced if there: what a Prometheus and rules do there leaves these as
        they are. By hard links, so on one file system.
        """
        shutil.rmtree(folder, ignore_errors=True)
        for block in self.tsdb.glob("*/meta.json"):
            shutil.copytree(block.parent, folder / "tsdb" / block.parent.name, copy_function=os.link)
        return replace(self, tsdb=folder / "tsdb")

    def note(self) -> None:
        """Write down beside the blocks what they are."""
        facts = {name: value for name, value in asdict(self).items() if name != "tsdb"}
        (self.tsdb.parent / NOTE).write_text(json.dumps(facts) + "\n")

    def flags(self) -> list[str]:
        """Flags with which a Prometheus is started on them."""
        return [f"--storage.tsdb.path={self.tsdb}", "--storage.tsdb.retention.time=100y",
                f"--query.lookback-delta={self.lookback}"]


def build(plan: Plan, folder: Path, programs: Binaries, report: Report,
          known: Mapping[str, Page] | None = None) -> History:
    """Make the blocks in ``folder/tsdb``. ``known``: pages that were read before.

    Raises:
        StackError: a server did not come up, or promtool refused something.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with report.step("inventing a company and loading its data"):
            reader = stack.enter_context(company.database(plan.preset, folder / "postgres"))
        with report.step(f"evaluating {plan.days} days, hour by hour"):
            business = company.evaluated(reader, plan.grid(HOUR), evenly=plan.evenly)
        with report.step("reading the pages of real servers"):
            said = pages.read(reader, programs, folder / "servers") if known is None else known
    batches = [chosen(batch, plan.only) for batch in batches_of(plan, business, said)]
    with report.step("making Prometheus blocks of them") as progress:
        samples = blocks.make_blocks_of(programs.promtool, batches, plan.end + 1, folder / "tsdb", progress)
    made = History(folder / "tsdb", plan.start, plan.end, sum(len(batch.series) for batch in batches), samples,
                   plan.grain.lookback)
    made.note()
    return made


def batches_of(plan: Plan, business: Sequence[Series], said: Mapping[str, Page]) -> list[Batch]:
    """Everything, target by target."""
    rng = np.random.default_rng(plan.preset.seed)
    batches = [
        _batch(plan, "sales-exporter", [one for one in business if (one.name in plan.ruled) == ruled], plan.start,
               Steps(plan.grain.ruled if ruled else plan.grain.business, plan.grain.counters))
        for ruled in (True, False)]
    hosted = blocks.columns(host.past(plan.grid(plan.grain.host), plan.faults, plan.preset.seed), plan.grain.host)
    batches.append(_batch(plan, "sales-exporter", hosted, plan.start, _even(plan.grain.host)))
    for job, page in said.items():
        batches += _of_server(plan, job, page, rng)
    batches += _of_applications(plan, rng)
    jobs = [*((job, INSTANCES[job]) for job in said), *(("application", instance) for instance in APPLICATIONS)]
    return [*batches, *(_scraped(plan, job, instance) for job, instance in jobs)]


def chosen(batch: Batch, only: frozenset[str] | None) -> Batch:
    """The batch with the wanted metrics only; of a histogram all series."""
    if only is None:
        return batch
    kept = [one for one in batch.series if one.name in only]
    return Batch(kept, batch.start, batch.labels, batch.steps, batch.gaps)


def _of_server(plan: Plan, job: str, page: Page, rng: np.random.Generator) -> Iterable[Batch]:
    page = page.only(lambda name: not name.startswith(TOO_MUCH))
    if job == "sales-exporter":
        page = page.only(servers.own)
    if job == "sidecar":
        page = page.only(lambda name: not name.startswith(FOUND))
    for wanted, step in ((True, plan.grain.probes), (False, plan.grain.servers)):
        when = plan.grid(step, plan.recent_days)
        part = page.only(PROBED.__contains__) if wanted else page.only(lambda name: name not in PROBED)
        found = part.past(when, busy(when, rng, plan.holidays))
        found = servers.without_source(found, when, plan.faults)
        found = servers.notified(found, when, plan.faults, rng)
        yield _batch(plan, job, blocks.columns(found, step), float(when[0]), _even(step))


def _of_applications(plan: Plan, rng: np.random.Generator) -> Iterable[Batch]:
    """What rules and watches read is there from the start on: a detector learns from weeks."""
    when = plan.grid(plan.grain.application)
    recent = len(when) - len(plan.grid(plan.grain.application, plan.recent_days))
    traffic = busy(when, rng, plan.holidays)
    for instance, share in APPLICATIONS.items():
        series = application.past(when, share * traffic, plan.faults, rng)
        for first, part in ((0, [one for one in series if one.name in plan.ruled]),
                            (recent, [one for one in series if one.name not in plan.ruled])):
            later = [Series(one.name, one.labels, one.values[first:], one.step) for one in part]
            yield _batch(plan, "application", later, float(when[first]), _even(plan.grain.application), instance)


def _scraped(plan: Plan, job: str, instance: str) -> Batch:
    """``up`` and the length of a scrape: what Prometheus itself adds, so that no fault of the target leaves it out."""
    when = plan.grid(plan.grain.probes, plan.recent_days)
    up = np.ones(len(when))
    for fault in of_kind(plan.faults, "target_down"):
        if fault.subject == job:
            up[fault.at(when)] = 0.0
    lasted = np.where(up > 0, 0.012, 5.0)
    series = [Series("up", "", up, plan.grain.probes), Series("scrape_duration_seconds", "", lasted, plan.grain.probes)]
    return Batch(series, float(when[0]), target(job, instance), _even(plan.grain.probes), plan.gaps)


def _batch(plan: Plan, job: str, series: Sequence[Series], start: float, steps: Steps,
           instance: str | None = None) -> Batch:
    down = [(fault.start, fault.end) for fault in of_kind(plan.faults, "target_down") if fault.subject == job]
    return Batch(series, start, target(job, instance), steps, tuple(sorted([*plan.gaps, *down])))


def _even(step: int) -> Steps:
    return Steps(step, step)


def target(job: str, instance: str | None = None) -> str:
    """The labels of a target; the instance is that of the demo where none is given."""
    return f'job="{job}",instance="{instance or INSTANCES[job]}",cluster="{CLUSTER}",tenant="{TENANT}"'


