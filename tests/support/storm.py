"""Writers on one side, a ledger that is killed again and again on the other; then both are compared."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from sales_exporter.ledger.audit import Difference, full
from sales_exporter.ledger.ledger import Ledger
from tests.support.folding import Folding
from tests.support.hammer import Hammer

ROOT = Path(__file__).resolve().parents[2]
# What cells must add up to, counted by SQL that has nothing in common with the ledger's.
PLAIN = {
    "moves": "SELECT count(*) FROM sales.stage_transitions JOIN sales.leads USING (lead_id) WHERE NOT is_test"
             " AND to_stage = ANY(%(stages)s) AND coalesce(from_stage, 'lead') = ANY(%(stages)s)",
    "open": "SELECT count(*) FROM sales.leads WHERE NOT is_test",
    "event": "SELECT (SELECT count(*) FROM sales.leads WHERE NOT is_test) + count(*) FROM (SELECT DISTINCT lead_id,"
             " to_stage FROM sales.stage_transitions JOIN sales.leads USING (lead_id) WHERE NOT is_test"
             " AND to_stage = ANY(%(stages)s) AND to_stage <> 'lead') AS reached",
}
STAGES = ["lead", "contact", "qualified", "proposal", "won", "lost"]


@dataclass
class Outcome:
    """What came of a storm."""

    changes: int = 0
    folds: int = 0
    kills: int = 0
    kills_in_commit: int = 0
    differences: list[Difference] = field(default_factory=list)
    sums: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By cube: what its cells add up to, and what SQL counts."""
    rebuilds: int = 0

    @property
    def cells(self) -> int:
        """Cells compared."""
        return sum(one.compared for one in self.differences)

    @property
    def wrong(self) -> int:
        """Cells that differ."""
        return sum(one.total for one in self.differences)


async def storm(
    hammer: Hammer, reader_dsn: str, folder: Path, kill: float, tell: Callable[[str], None] = lambda text: None
) -> Outcome:
    """Let the hammer write while a ledger folds; at a commit it is killed with probability ``kill``."""
    outcome, chance = Outcome(), random.Random(hammer.seed)
    hammer.start()
    while hammer.busy:
        folded(hammer, reader_dsn, folder, kill, chance, outcome)
        tell(f"{hammer.done} changes, {outcome.folds} folds, {outcome.kills} kills")
    hammer.finish()
    outcome.changes = hammer.done
    folding = Folding(reader_dsn, folder)
    try:
        ledger = await folding.step()
        for name in ledger.states:
            outcome.differences.append(await full(ledger, name, folding.reader, lambda done, total: None))
        outcome.sums = sums(ledger, hammer.dsn)
        outcome.rebuilds = sum(state.rebuilds for state in ledger.states.values())
    finally:
        await folding.close()
    return outcome


def folded(
    hammer: Hammer, dsn: str, folder: Path, kill: float, chance: random.Random, outcome: Outcome
) -> None:
    """One life of a folding process, from its start to its death or the end of the writing."""
    command = [sys.executable, "-m", "tests.support.folding", dsn, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            committing = line.startswith("commit")
            outcome.folds += not committing
            if chance.random() < kill:
                # A moment, so that death also comes in the middle of the commit and of the next reading.
                time.sleep(chance.choice((0.0, 0.001, 0.01)))
                process.kill()
                outcome.kills += 1
                outcome.kills_in_commit += committing
            elif not hammer.busy:
                process.send_signal(signal.SIGKILL)
        process.wait()
        if process.returncode != -signal.SIGKILL:
            raise RuntimeError(f"the folding process ended with {process.returncode}")


def sums(ledger: Ledger, owner_dsn: str) -> dict[str, tuple[int, int]]:
    """Totals of cubes beside plain counts."""
    with psycopg.connect(owner_dsn) as connection:
        plain = {cube: connection.execute(sql.encode(), {"stages": STAGES}).fetchone() for cube, sql in PLAIN.items()}
    cubes = ledger.states["leads"].cubes
    return {cube: (int(cubes[cube].tally.counts.sum()), int(row[0])) for cube, row in plain.items() if row}
