"""How many real anomalies ``detect`` finds, and at how many false alarms, beside the rules that people write today.

    python benchmarks/anomalies.py --tools FOLDER --data FOLDER

FOLDER of tools holds nab_score.py and synth_corpus.py (default: SALES_TEST_TOOLS), that of data holds nab/ (default:
SALES_TEST_DATA). NAB: its development half, on which every known detector scores some 15 points more than on the rest;
so bars that are meant for files never seen are raised by 15 points. Synthetic series: seeds that nothing was tuned on.
The detector runs as the command does, with its defaults. Beside it: three standard deviations, the rules of
promql-anomaly-detection, and, where they are installed (benchmarks/peers.txt), HalfSpaceTrees of river and four
detectors of ADTK; anomaly_peers.py says how. FA/sw: false alarms per series and week. Prints two tables, then one JSON
line; exits 1 when a floor is missed. The peers take some four minutes of one core.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import anomaly_peers
import numpy as np
from anomaly_peers import Peer
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Scores = dict[str, Floats]
SEEDS = (31, 32, 33, 34, 35)
HALF_WIDER = 15.0
DAY = 86_400.0
GAP = 12
"""Rows without an alert that end one episode."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measure; higher is better where ``more``."""

    name: str
    goal: float
    floor: float
    measured: float
    more: bool
    peers: dict[str, float]

    @property
    def held(self) -> bool:
        """Whether the floor is kept."""
        return self.measured >= self.floor if self.more else self.measured <= self.floor


def ours(files: list[Any], tool: Any, work: Path) -> Scores:
    """Scores of the command, run once for all files."""
    command = f"{sys.executable} -m sales_exporter detect --batch {{batch}}"
    found, _, _ = tool.run_detector(files, command, str(work), 3_600, 0, 0)
    return dict(found)


def theirs(files: list[Any], peer: Peer) -> Scores:
    """Scores of a peer."""
    scores = {}
    for file in files:
        lines = Path(file.path).read_text().splitlines()[1:]
        values = np.array([float(text) if text else np.nan for text in (line.split(",")[1] for line in lines)])
        scores[file.name] = peer(np.array([at.replace(tzinfo=UTC).timestamp() for at in file.times]), values)
    return scores


def recall_at(files: list[Any], scores: Scores, tool: Any, rate: float) -> float:
    """The largest recall at no more false alarms than ``rate``, over thresholds."""
    seen = (tool.events(files, scores, threshold, GAP) for threshold in np.linspace(0.1, 0.98, 23))
    return max((one["recall"] for one in seen if one["false_episodes_per_series_week"] <= rate), default=0.0)


def alarms(files: list[Any], scores: Scores, tool: Any) -> float:
    """False alarms per series and week at 0.5."""
    return float(tool.events(files, scores, 0.5, GAP)["false_episodes_per_series_week"])


def ages(files: list[Any]) -> dict[str, Floats]:
    """Days since the first row, of each row."""
    return {file.name: np.array([(at - file.times[0]).total_seconds() for at in file.times]) / DAY for file in files}


def early(age: dict[str, Floats], scores: Scores, days: tuple[float, float]) -> float:
    """Alert rows of series between two ages in days."""
    return float(sum(int(((scores[name] >= 0.5) & (one >= days[0]) & (one < days[1])).sum())
                     for name, one in age.items()))


def nab_rows(tool: Any, data: Path, work: Path, peers: dict[str, Peer]) -> list[Row]:
    """A1, A3 and A4 on the development half."""
    files = tool.load_corpus(str(data / "nab"))
    scores = {"ours": ours(files, tool, work)} | {name: theirs(files, peer) for name, peer in peers.items()}
    rows = []
    bars = {"standard": (75.5, 70.0, 66.0, 58.0), "reward_low_FP": (67.5, 62.5, 60.0, 52.0),
            "reward_low_FN": (80.5, 74.0, 70.5, 62.0)}
    for profile, (goal, floor, plain_goal, plain_floor) in bars.items():
        tuned = {who: tool.normalised(files, one, tool.best_threshold(files, one, profile)[0], profile)[1]
                 for who, one in scores.items()}
        fixed = {who: tool.normalised(files, one, 0.5, profile)[1] for who, one in scores.items()}
        rows.append(_row(f"A1 NAB {profile}, threshold tuned", goal + HALF_WIDER, floor + HALF_WIDER, tuned))
        rows.append(_row(f"A3 NAB {profile}, untuned", plain_goal + HALF_WIDER, plain_floor + HALF_WIDER, fixed))
    for name, rate, bar in (("goal", 0.25, 0.80), ("floor", 0.45, 0.75)):
        found = {who: recall_at(files, one, tool, rate) for who, one in scores.items()}
        rows.append(_row(f"A4 NAB recall at {rate} FA/sw ({name})", bar, bar if name == "floor" else 0.0, found))
    return rows


def synthetic_rows(tool: Any, tools: Path, work: Path, peers: dict[str, Peer]) -> list[Row]:
    """A5, A6 and A8 on seeds that nothing was tuned on."""
    files: list[Any] = []
    scores: dict[str, Scores] = {who: {} for who in ("ours", *peers)}
    for seed in SEEDS:
        root = work / f"seed{seed}"
        subprocess.run([sys.executable, tools / "synth_corpus.py", root, "--seed", str(seed)], check=True,
                       stdout=subprocess.DEVNULL)
        some = tool.load_corpus(str(root))
        judged = {"ours": ours(some, tool, root)} | {name: theirs(some, peer) for name, peer in peers.items()}
        for file in some:
            name = f"{seed}/{file.name}"
            for who, one in judged.items():
                scores[who][name] = one[file.name]
            file.name = name
        files += some
    kinds = {kind: [file for file in files if file.category == kind] for kind in ("clean", "gaps", "faulty")}
    recall = {who: tool.events(files, one, 0.5, GAP)["recall"] for who, one in scores.items()}
    rows = [_row("A5 synthetic recall, untuned", 0.80, 0.65, recall)]
    for name, some, goal, floor in (("A5 synthetic FA/sw, untuned", files, 0.10, 0.15),
                                    ("A6 clean FA/sw", kinds["clean"], 0.03, 0.06),
                                    ("A6 gaps FA/sw", kinds["gaps"], 0.05, 0.12)):
        rows.append(_row(name, goal, floor, {who: alarms(some, one, tool) for who, one in scores.items()}, more=False))
    age = ages(files)
    for name, days in (("A8 alerts in the first 24 h", (0.0, 1.0)), ("A8 alerts on the first weekend", (5.0, 7.0))):
        # The series begin on a Monday, and no fault before day 14.
        rows.append(_row(name, 0, 0, {who: early(age, one, days) for who, one in scores.items()}, more=False))
    return rows


def _row(name: str, goal: float, floor: float, found: dict[str, float], more: bool = True) -> Row:
    peers = {who: round(value, 3) for who, value in found.items() if who != "ours"}
    return Row(name, goal, floor, round(float(found["ours"]), 3), more, peers)


def main() -> int:
    """Measure, print, judge."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, variable in (("--tools", "SALES_TEST_TOOLS"), ("--data", "SALES_TEST_DATA")):
        ask.add_argument(name, type=Path, default=os.environ.get(variable), required=variable not in os.environ)
    given = ask.parse_args()
    sys.path.insert(0, str(given.tools))
    tool = importlib.import_module("nab_score")
    peers = anomaly_peers.peers()
    with tempfile.TemporaryDirectory() as work:
        rows = nab_rows(tool, Path(given.data), Path(work) / "nab", peers)
        rows += synthetic_rows(tool, Path(given.tools), Path(work), peers)
    print(f"{'':42s}{'goal':>8s}{'floor':>8s}{'ours':>9s}")
    for row in rows:
        missed = "" if row.held else "  MISSED"
        print(f"{row.name:42s}{row.goal:8.2f}{row.floor:8.2f}{row.measured:9.3f}{missed}")
    print(f"\n| peer | {' | '.join(row.name for row in rows)} |\n|---|{'---:|' * len(rows)}")
    for name in peers:
        print(f"| {name} | {' | '.join(f'{row.peers[name]:.3g}' for row in rows)} |")
    print(json.dumps([asdict(row) for row in rows]))
    return 0 if all(row.held for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
