"""A whole dashboard: the shared variable bar, the annotation layers, the links and a 24-column layout."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from grafana.source.layers import layers
from grafana.source.panels import SOURCE
from grafana.source.sdk import dashboard, model

COLUMNS = 24
SCHEMA = 42
ANCHOR = "sales_as_of_timestamp_seconds"
"""Every exporter always exports it, so its labels are the installations there are."""

Row = tuple[int, Sequence[tuple[int, model.Panel]]]
"""A height and the (width, panel) pairs from left to right; the widths add up to 24."""


@dataclass(frozen=True, slots=True)
class Folded:
    """Rows below a heading that is closed at first: their queries run when somebody opens it."""

    number: int
    title: str
    rows: Sequence[Row]


def board(uid: str, title: str, description: str, layout: Sequence[Row | Folded],
          family: Sequence[model.VariableModel] = (), *, anchor: str = ANCHOR, near: Mapping[str, str] | None = None,
          without: Collection[str] = (), tags: Sequence[str] = (), refresh: str = "30s",
          span: str = "now-7d") -> model.Dashboard:
    """A read-only classic dashboard.

    ``family`` are the variables beyond the shared bar, ``anchor`` the series whose labels the bar offers, ``near`` maps
    the uids of related dashboards to the titles of links that lead there; variables in ``without`` would change nothing
    here and are hidden.
    """
    made = (
        dashboard.Dashboard(title).uid(uid).description(description).tags(["sales", *tags]).readonly()
        .timezone("browser").refresh(refresh).time(span, "now").tooltip(model.DashboardCursorSync.CROSSHAIR)
        .timepicker(dashboard.TimePicker().refresh_intervals(["10s", "30s", "1m", "5m", "15m", "1h"]))
        .links([*(_to(uid, title) for uid, title in (near or {}).items()), _others()])
    ).build()
    made.annotations = model.AnnotationContainer(list_val=[layer.build() for layer in layers()])
    made.schema_version = SCHEMA
    made.panels = list(_placed(layout))
    shared = bar(anchor)
    for variable in shared:
        if variable.name in without:
            variable.hide = model.VariableHide.HIDE_VARIABLE
    made.templating = model.DashboardDashboardTemplating(list_val=[*shared, *family])
    return made


def bar(anchor: str) -> list[model.VariableModel]:
    """The variables of every dashboard. One cluster and one tenant at a time: their intervals do not add."""
    return [
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
        .current(model.VariableOption(text="Prometheus", value="prometheus", selected=True)).build(),
        labels_of("cluster", "Cluster", anchor),
        labels_of("tenant", "Tenant", f'{anchor}{{cluster="$cluster"}}'),
        labels_of("job", "Job", f'{anchor}{{cluster="$cluster",tenant="$tenant"}}', several=True),
        labels_of("instance", "Instance", f'{anchor}{{cluster="$cluster",tenant="$tenant",job=~"$job"}}',
                  several=True),
    ]


def labels_of(name: str, title: str, series: str, label: str = "", *, several: bool = False,
              default: str = "") -> model.VariableModel:
    """A variable with the values that ``label`` (else the label of its own name) has in ``series``."""
    query = f"label_values({series},{label or name})"
    made = (
        dashboard.QueryVariable(name).label(title).datasource(SOURCE).definition(query)
        .query({"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.NATURAL_ASC)
        .multi(several).include_all(several)
    )
    if several:
        made.all_value(".*").current(model.VariableOption(text="All", value="$__all", selected=True))
    elif default:
        made.current(model.VariableOption(text=default, value=default, selected=True))
    return made.build()


def hidden(variable: model.VariableModel) -> model.VariableModel:
    """The variable without a place in the bar: links read it."""
    variable.hide = model.VariableHide.HIDE_VARIABLE
    return variable


def choice_of(name: str, title: str, values: Sequence[str], *, default: str) -> model.VariableModel:
    """A variable with fixed values, of which one is chosen; others may be typed."""
    options = [model.VariableOption(text=value, value=value, selected=value == default) for value in values]
    return (
        dashboard.CustomVariable(name).label(title).values(",".join(values)).options(options).multi(False)
        .current(model.VariableOption(text=default, value=default, selected=True)).build()
    )


def _placed(layout: Sequence[Row | Folded]) -> list[model.Panel | model.RowPanel]:
    placed: list[model.Panel | model.RowPanel] = []
    top = 0
    for part in layout:
        if isinstance(part, Folded):
            place = model.GridPos(h=1, w=COLUMNS, x=0, y=top)
            inside = [panel for start, row in _tops(part.rows, top + 1) for panel in _row(start, *row)]
            placed.append(model.RowPanel(
                collapsed=True, title=part.title, grid_pos=place, id_val=part.number, panels=inside))
            top += 1
        else:
            placed += _row(top, *part)
            top += part[0]
    return placed


def _tops(rows: Sequence[Row], top: int) -> Iterator[tuple[int, Row]]:
    for row in rows:
        yield top, row
        top += row[0]


def _row(top: int, height: int, cells: Sequence[tuple[int, model.Panel]]) -> list[model.Panel]:
    left = 0
    for width, panel in cells:
        panel.grid_pos = model.GridPos(h=height, w=width, x=left, y=top)
        left += width
    if left != COLUMNS:
        raise ValueError(f"the row at {top} is {left} columns wide, not {COLUMNS}")
    return [panel for _, panel in cells]


def _others() -> dashboard.DashboardLink:
    # By tag, so that no link points to a dashboard that is not provisioned.
    return (
        dashboard.DashboardLink("Sales dashboards").type(model.DashboardLinkType.DASHBOARDS).tags(["sales"])
        .as_dropdown(True).placement("").include_vars(True).keep_time(True).icon("external link")
        .tooltip("The other dashboards")
    )


def _to(uid: str, title: str) -> dashboard.DashboardLink:
    # Cluster and tenant go along; the jobs of an exporter are not those of an application.
    return (
        dashboard.DashboardLink(title).type(model.DashboardLinkType.LINK)
        .url(f"/d/{uid}?var-cluster=$cluster&var-tenant=$tenant").keep_time(True).icon("dashboard").placement("")
        .tooltip(f"The dashboard {title} of the same cluster and tenant")
    )
