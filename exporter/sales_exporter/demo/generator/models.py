"""Predictions of the two models and the outcomes that arrive later."""

from __future__ import annotations

import numpy as np

from sales_exporter.demo.generator.calls import Calls, judgements
from sales_exporter.demo.generator.columns import (
    Bools,
    Column,
    Flag,
    Floats,
    Ints,
    Key,
    Mixed,
    Moment,
    Number,
    Small,
    Word,
)
from sales_exporter.demo.generator.leads import Leads
from sales_exporter.demo.generator.preset import DAY, Model, Preset
from sales_exporter.demo.generator.quality import Quality, quality
from sales_exporter.demo.generator.relations import Relation
from sales_exporter.demo.generator.stages import WON, within
from sales_exporter.demo.generator.world import World, stream

SUBJECTS = ("lead", "call")
SHADOW_DAYS = 14.0
"""A version predicts this long beside the one before it, before it is released."""
BLIND = 0.4
"""Share of the subjects whose feature a version other than the newest does not see."""
REPORTED_LOSSES = 0.7
PROVISIONAL = 0.03


def predictions(world: World, leads: Leads, calls: Calls) -> Relation:
    """The relation model_predictions."""
    preset = world.preset
    kinds = {model.subject_kind: model for model in preset.models}
    rng = stream(preset, "predictions")
    scored = leads.created + rng.uniform(20, 240, len(leads))
    known = np.flatnonzero((scored < preset.end) & ~leads.is_test)
    found = quality(preset)
    full, bare = lead_scores(world, found, leads)
    parts = [
        _versions(preset, kinds["lead"], rng, known, scored[known], full[known], bare[known]),
        _versions(preset, kinds["call"], rng, np.arange(len(calls)), calls.started, calls.believed, calls.believed),
    ]
    names = [(model, version) for model in preset.models for version in model.versions]
    subject, label, when, score = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(when, kind="stable")
    subject, label, when, score = subject[order], label[order], when[order], score[order]
    models = [preset.models.index(model) for model, _ in names]
    return Relation("model_predictions", {
        "prediction_id": Key("P", np.arange(len(when))),
        "model": Word(tuple(model.name for model in preset.models), np.array(models)[label]),
        "version": Word(tuple(version for _, version in names), label),
        **_subject(np.array([SUBJECTS.index(model.subject_kind) for model, _ in names])[label], subject),
        "predicted_at": Moment.of(when),
        "horizon_seconds": Number(np.array([model.horizon_days * DAY for model, _ in names])[label]),
        "score": Number(np.round(score, 6)),
        "threshold": Number(np.array([model.threshold for model, _ in names])[label]),
    })


def lead_scores(world: World, found: Quality, leads: Leads) -> tuple[Floats, Floats]:
    """Probability of a win within the horizon, with and without the feature."""
    model = next(model for model in world.preset.models if model.subject_kind == "lead")
    timely = within(world.preset, model.horizon_days * DAY)
    reach = found.qualify[leads.channel] * timely
    return reach * leads.believed, reach * np.minimum(world.skill[leads.rep] * found.multiplier(leads.members), 0.95)


def _versions(
    preset: Preset, model: Model, rng: np.random.Generator, subject: Ints, when: Floats, full: Floats, bare: Floats
) -> tuple[Ints, Ints, Floats, Floats]:
    """Subject, place among all versions of all models, time and score of a model's predictions."""
    place = sum(len(other.versions) for other in preset.models[: preset.models.index(model)])
    rows = []
    for number in range(len(model.versions)):
        release, until = released(preset, model, number)
        mine = np.flatnonzero((when >= release - (SHADOW_DAYS * DAY if number else 0)) & (when < until))
        newest = number == len(model.versions) - 1
        sees = np.ones(len(mine), np.bool_) if newest else rng.random(len(mine)) >= BLIND
        score = np.where(sees, full[mine], bare[mine]).clip(1e-4, 1 - 1e-4)
        rows.append((subject[mine], np.full(len(mine), place + number), when[mine], score))
    first, second, third, fourth = (np.concatenate(column) for column in zip(*rows, strict=True))
    return first, second, third, fourth


def released(preset: Preset, model: Model, number: int) -> tuple[float, float]:
    """Epoch seconds between which a version is the one in use."""
    days = [preset.start + share * preset.days * DAY for share in model.releases]
    return days[number], days[number + 1] if number + 1 < len(days) else np.inf


def outcomes(world: World, leads: Leads, calls: Calls) -> Relation:
    """The relation model_outcomes: no row before the horizon means not yet known, none after it means 0."""
    preset = world.preset
    parts = [_lead_outcomes(preset, leads), _call_outcomes(preset, calls)]
    kind = np.repeat([0, 1], [len(part[0]) for part in parts])
    subject, when, label, final = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(when, kind="stable")
    return Relation("model_outcomes", {
        **_subject(kind[order], subject[order]), "observed_at": Moment.of(when[order]),
        "label": Small(label[order].astype(np.int16)), "is_final": Flag(final[order].astype(np.int8)),
    })


def _lead_outcomes(preset: Preset, leads: Leads) -> tuple[Ints, Floats, Bools, Bools]:
    rng = stream(preset, "lead outcomes")
    model = next(model for model in preset.models if model.subject_kind == "lead")
    ended = leads.path.ended
    won = (leads.path.stages == WON).any(axis=1)
    timely = (ended < preset.end) & (ended - leads.created <= model.horizon_days * DAY) & ~leads.is_test
    known = np.flatnonzero(timely & (won | (rng.random(len(leads)) < REPORTED_LOSSES)))
    early = np.flatnonzero(timely & won & (rng.random(len(leads)) < PROVISIONAL))
    when = np.concatenate([ended[known], leads.created[early] + 0.6 * (ended - leads.created)[early]])
    return (
        np.concatenate([known, early]), when, np.concatenate([won[known], np.zeros(len(early), np.bool_)]),
        np.repeat([True, False], [len(known), len(early)]),
    )


def _call_outcomes(preset: Preset, calls: Calls) -> tuple[Ints, Floats, Bools, Bools]:
    later, verdict, judged = judgements(preset, calls)
    at_once = np.flatnonzero(calls.at_once)
    denied = np.isin(at_once, later)
    return (
        np.concatenate([at_once, later]), np.concatenate([calls.ended[at_once], judged]),
        np.concatenate([calls.success[at_once], verdict]),
        np.concatenate([~denied, np.ones(len(later), np.bool_)]),
    )


def _subject(kind: Ints, number: Ints) -> dict[str, Column]:
    return {"subject_kind": Word(SUBJECTS, kind), "subject_id": Mixed("LC", number, kind)}
