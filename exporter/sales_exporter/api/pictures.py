"""The current numbers as the API answers them; the models are made from the table, so that the document lists each."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import Field as Described
from pydantic import create_model

from sales_exporter.api.asked import Chosen, ChosenPast
from sales_exporter.api.dashboards import dashboards
from sales_exporter.api.desk import alert
from sales_exporter.api.operation import Call
from sales_exporter.api.past import past
from sales_exporter.api.readings import Picture, Readings
from sales_exporter.api.schema import VERSION, Alert, Answer, Breakdown, Figure, Past
from sales_exporter.api.table import BUSINESS, PERFORMANCE, Field, Sections
from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.desk.seam import AlertDesk


def _section(name: str, fields: tuple[Field, ...]) -> type[Answer]:
    made: dict[str, Any] = {field.name: (Breakdown if field.by else Figure, Described(description=_said(field)))
                            for field in fields}
    return create_model("".join(part.title() for part in name.split("_")), __base__=Answer, **made)


def _said(field: Field) -> str:
    """What the dashboard says of it."""
    labels = f" By {', '.join(field.by)}." if field.by else ""
    return dashboards()[field.board].descriptions[field.panel] + labels


def _picture(name: str, sections: Sections, **more: Any) -> type[Answer]:
    made: dict[str, Any] = {section: (_section(section, fields), ...) for section, fields in sections.items()}
    return create_model(name, __base__=Answer, version=(Literal[1], VERSION),
                        as_of=(float, Described(description="Moment of the reading, in epoch seconds.")),
                        refresh=(float, Described(description="Seconds between two readings.")), **made, **more)


@cache
def performance() -> type[Answer]:
    """The model of what runs. Made when it is first asked for: that reads all dashboards."""
    return _picture("Performance", PERFORMANCE)


@cache
def business() -> type[Answer]:
    """The model of what it brings."""
    said = "Open cases of the alert desk, worst first, with what they say."
    return _picture("Business", BUSINESS, alerts=(tuple[Alert, ...], Described(description=said)))


class Numbers:
    """What may be asked of Prometheus through the API."""

    def __init__(self, readings: Readings, desk: AlertDesk, clock: Clock) -> None:
        self._readings = readings
        self._desk = desk
        self._clock = clock

    async def performance(self, call: Call[Chosen, None]) -> Answer:
        """What runs."""
        return self.stated(performance(), await self._readings.current("performance", call.query))

    async def business(self, call: Call[Chosen, None]) -> Answer:
        """What it brings."""
        picture = await self._readings.current("business", call.query)
        return self.stated(business(), picture, alerts=tuple(alert(case) for case in self._desk.cases()))

    async def history(self, call: Call[ChosenPast, None]) -> Past:
        """One field over time."""
        client = await self._readings.client()
        return await past(client, call.query, self._clock.now(), self._readings.patience)

    def stated(self, model: type[Answer], picture: Picture, **more: object) -> Answer:
        """A reading as the API answers it."""
        return model.model_validate({"as_of": picture.at, "refresh": self._readings.refresh, **picture.reading, **more})
