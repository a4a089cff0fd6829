"""From a preset to all rows and their truth."""

from __future__ import annotations

import numpy as np

from sales_exporter.demo.generator.calls import call_rows, calls
from sales_exporter.demo.generator.deals import deal_rows, deals, lead_rows, transition_rows
from sales_exporter.demo.generator.leads import leads
from sales_exporter.demo.generator.marketing import dimensions, fx_rates, spend, targets, touches
from sales_exporter.demo.generator.models import outcomes, predictions
from sales_exporter.demo.generator.preset import DAY, Preset, to_json
from sales_exporter.demo.generator.relations import Tables
from sales_exporter.demo.generator.truth import Truth, tell
from sales_exporter.demo.generator.world import draw


def generate(preset: Preset) -> tuple[Tables, Truth]:
    """All rows of a preset as they stand at its end, and what statistics must find in them.

    Nothing in them has happened at or after ``preset.end``. Equal presets give equal rows. Memory: about 1 GB for a
    million leads.
    """
    world = draw(preset)
    found = leads(world)
    some = deals(world, found)
    talks = calls(world, found)
    days = np.arange(preset.start // DAY, np.ceil(preset.end / DAY)).astype(np.int64)
    rows, judgements = call_rows(world, talks)
    tables = Tables((
        *dimensions(world), fx_rates(world, preset.end), targets(world, preset.end), spend(world, days, preset.end),
        *lead_rows(world, found), transition_rows(world, found), deal_rows(world, found, some),
        touches(world, found), rows, judgements,
        predictions(world, found, talks), outcomes(world, found, talks),
    ), to_json(preset))
    return tables, tell(world, found, some)
