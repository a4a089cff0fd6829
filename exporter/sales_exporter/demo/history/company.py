"""The past of the business numbers: a generated company in a real PostgreSQL, read by the real collectors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import psycopg

from sales_exporter import contract
from sales_exporter.config import Business
from sales_exporter.demo import generator
from sales_exporter.demo.generator import Preset
from sales_exporter.demo.history.faults import Floats
from sales_exporter.demo.postgres import Login, create_role, running
from sales_exporter.runtime import blocks, past
from sales_exporter.runtime.blocks import Series


@contextlib.contextmanager
def database(preset: Preset, folder: Path) -> Iterator[Login]:
    """The reader's login of a PostgreSQL in ``folder`` that holds the company's rows, for the length of a block."""
    # Quickly, not safely: it is thrown away.
    with running(folder, fsync="off", synchronous_commit="off", full_page_writes="off") as server:
        owner = server.login()
        with psycopg.connect(owner.dsn) as connection:
            connection.execute(contract.schema_sql().encode())
        # Between two of its queries a busy machine may take longer than a live database should wait.
        role = contract.role_sql() + f"\nALTER ROLE {contract.ROLE} SET idle_in_transaction_session_timeout = 0;\n"
        reader = create_role(owner, role, contract.ROLE, "reader-password")
        tables, _ = generator.generate(preset)
        generator.load(owner.dsn, tables, lambda done, total, what: None)
        yield reader


def evaluated(reader: Login, hours: Floats, *, evenly: bool) -> list[Series]:
    """What the collectors say at each full hour.

    ``evenly``: dear figures are computed as often as cheap ones, so that the result hangs on nothing but the data. Else
    as ``backfill`` does it, in half of the time.
    """
    business = Business()
    beginning = past.begin(reader.dsn, business, float(hours[0]), lambda done, total: None)
    evaluation = past.Past(reader.dsn, business, past.EVENLY if evenly else past.CADENCE)
    return blocks.columns(asyncio.run(evaluation.columns(beginning, hours.tolist())), blocks.HOUR)
