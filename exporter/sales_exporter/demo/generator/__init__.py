"""A generator of sales data with known truth: seeded, of any size, loaded by COPY or written in real time."""

from __future__ import annotations

from sales_exporter.demo.generator.data import generate
from sales_exporter.demo.generator.loader import load
from sales_exporter.demo.generator.preset import Channel, Incident, Model, Preset, Staff, Stage, benchmark, demo
from sales_exporter.demo.generator.relations import Relation, Tables
from sales_exporter.demo.generator.truth import Truth

__all__ = [
    "Channel", "Incident", "Model", "Preset", "Relation", "Staff", "Stage", "Tables", "Truth", "benchmark", "demo",
    "generate", "load",
]
