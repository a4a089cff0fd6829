"""Recorders of predictions, outcomes, calls and judgements. Rows need the extra ``[recorders]``; metrics do not."""

from sales_exporter.instrumentation.recorders.calls import Call
from sales_exporter.instrumentation.recorders.recorder import Recorder
from sales_exporter.instrumentation.recorders.writer import Writer

__all__ = ["Call", "Recorder", "Writer"]
