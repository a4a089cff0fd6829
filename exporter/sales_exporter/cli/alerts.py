"""``alerts``: see what fires, take it, give it back, end it, and read what happened."""

from __future__ import annotations

import getpass
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from sales_exporter.cli.alerts_api import Refusal, Server, made
from sales_exporter.cli.alerts_tables import alerts as table_of_alerts
from sales_exporter.cli.alerts_tables import console, told
from sales_exporter.cli.alerts_tables import events as table_of_events
from sales_exporter.errors import UsageError
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.sidecar.desk import export
from sales_exporter.sidecar.desk.model import Case, Event, Kind

T = TypeVar("T")

alerts = typer.Typer(
    help="See what fires, take it, give it back, end it, and read what happened.\n\nFingerprints may be cut to as many "
         "signs as tell them apart, at least four. Exit status: 0 done, 1 refused by the desk, which says why, 2 bad "
         "input.\n\nsales-exporter alerts list\n\nsales-exporter alerts ack 3f2a -m 'looking at it'\n\nsales-exporter "
         "alerts snooze 3f2a --for 4h", no_args_is_help=True, rich_markup_mode=None)

Url = Annotated[str, typer.Option("--sidecar.url", envvar="SALES_EXPORTER_SIDECAR_URL", help="Address of the sidecar, "
                                  "with the prefix where a proxy is before it.")]
User = Annotated[str | None, typer.Option("--user", envvar="SALES_EXPORTER_USER", help="Login.")]
PasswordFile = Annotated[Path | None, typer.Option("--password-file", envvar="SALES_EXPORTER_PASSWORD_FILE",
                                                   help="File that holds its password.")]
CaFile = Annotated[Path | None, typer.Option("--ca-file", help="Certificates to trust instead of the system's.")]
Json = Annotated[bool, typer.Option("--json", help="JSON for programs, as the API answers it.")]
Which = Annotated[list[str], typer.Argument(metavar="FINGERPRINT...", help="Alerts, as `alerts list` shows them.")]
Words = Annotated[str, typer.Option("-m", "--comment", help="Words for the others and for the history.")]
By = Annotated[str | None, typer.Option("--by", help="Who acts, where the sidecar has no users; by default, who runs "
                                                    "this.")]
HOME = "http://127.0.0.1:18881"
PAGE = 1_000
"""Events that are asked for at once."""
_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}


@alerts.command("list")
def list_(
    severity: Annotated[str, typer.Option("--severity", help="critical, warning or info.")] = "",
    team: Annotated[str, typer.Option("--team", help="Label team.")] = "",
    state: Annotated[
        Literal["firing", "acknowledged", "snoozed", ""], typer.Option("--state", help="How people deal with it.")
    ] = "",
    as_json: Json = False, url: Url = HOME, user: User = None, password_file: PasswordFile = None,
    ca_file: CaFile = None,
) -> None:
    """Show all alerts that are not over, worst first."""
    answer = _told(lambda: Server(url, user, password_file, ca_file).ask(
        "alerts/active", {"severity": severity, "team": team, "state": state}))
    if as_json:
        _print(answer)
    elif answer["alerts"]:
        found = [made(Case, one) for one in answer["alerts"]]
        console().print(table_of_alerts(found, answer["as_of"]))
    else:
        typer.echo("no open alerts" + (" that match" if severity or team or state else ""))


@alerts.command()
def ack(
    fingerprints: Which, comment: Words = "", by: By = None, as_json: Json = False, url: Url = HOME, user: User = None,
    password_file: PasswordFile = None, ca_file: CaFile = None,
) -> None:
    """I have it: a silence on exactly this alert, for as long as it fires. It does not escalate."""
    _act(Server(url, user, password_file, ca_file), fingerprints, "acknowledge", {"comment": comment}, by, as_json)


@alerts.command()
def unack(
    fingerprints: Which, comment: Words = "", by: By = None, as_json: Json = False, url: Url = HOME, user: User = None,
    password_file: PasswordFile = None, ca_file: CaFile = None,
) -> None:
    """I have it no more; also ends a snooze, and opens again what was closed by hand."""
    _act(Server(url, user, password_file, ca_file), fingerprints, "unacknowledge", {"comment": comment}, by, as_json)


@alerts.command()
def resolve(
    fingerprints: Which, comment: Words = "", by: By = None, as_json: Json = False, url: Url = HOME, user: User = None,
    password_file: PasswordFile = None, ca_file: CaFile = None,
) -> None:
    """It is over. What the sidecar raised ends; what a rule raises is silenced until it ends or changes severity."""
    _act(Server(url, user, password_file, ca_file), fingerprints, "resolve", {"comment": comment}, by, as_json)


@alerts.command()
def snooze(
    fingerprints: Which,
    length: Annotated[str, typer.Option("--for", help="How long: 30m, 4h, 2d or 1w; 30 days at most.")] = "1h",
    comment: Words = "", by: By = None, as_json: Json = False, url: Url = HOME, user: User = None,
    password_file: PasswordFile = None, ca_file: CaFile = None,
) -> None:
    """Not for a while. If it still fires then, everything begins anew."""
    body = {"seconds": _seconds(length, "--for"), "comment": comment}
    _act(Server(url, user, password_file, ca_file), fingerprints, "snooze", body, by, as_json)


@alerts.command()
def assign(
    fingerprint: Annotated[str, typer.Argument(help="The alert.")],
    owner: Annotated[str, typer.Argument(help="Whose it is; '' for nobody's.")],
    comment: Words = "", by: By = None, as_json: Json = False, url: Url = HOME, user: User = None,
    password_file: PasswordFile = None, ca_file: CaFile = None,
) -> None:
    """It belongs to somebody. It escalates all the same until it is acknowledged."""
    body = {"owner": owner, "comment": comment}
    _act(Server(url, user, password_file, ca_file), [fingerprint], "assign", body, by, as_json)


@alerts.command()
def comment(
    fingerprint: Annotated[str, typer.Argument(help="The alert.")],
    words: Annotated[str, typer.Argument(help="What to write down.")],
    by: By = None, as_json: Json = False, url: Url = HOME, user: User = None, password_file: PasswordFile = None,
    ca_file: CaFile = None,
) -> None:
    """Words for the others and for the history."""
    _act(Server(url, user, password_file, ca_file), [fingerprint], "comment", {"comment": words}, by, as_json)


@alerts.command()
def history(
    since: Annotated[str, typer.Option("--since", help="How far back: 24h, 7d, 4w; 400d are kept.")] = "7d",
    alert: Annotated[str, typer.Option("--alert", help="Only alerts of this name.")] = "",
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only what happened so.")] = None,
    fingerprint: Annotated[str, typer.Option("--fingerprint", help="Only this alert.")] = "",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Events at most; by default 100, and all with "
                                                                     "--csv or --json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object on each line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a head.")] = False,
    url: Url = HOME, user: User = None, password_file: PasswordFile = None, ca_file: CaFile = None,
) -> None:
    """Show what happened, the newest first: who did what, when and why."""
    if as_json and as_csv:
        raise UsageError("alerts history: --json or --csv, not both")
    server, now = Server(url, user, password_file, ca_file), SystemClock().now()
    most = limit or (None if as_json or as_csv else 100)

    def read() -> list[Event]:
        return _events(server, most, {
            "since": now - _seconds(since, "--since"), "alertname": alert, "kind": kind,
            "fingerprint": server.whole(fingerprint) if fingerprint else ""})

    found = _told(read)
    if as_csv:
        typer.echo(export.heading() + export.rows(found), nl=False)
    elif as_json:
        typer.echo(export.jsonl(found), nl=False)
    else:
        console().print(table_of_events(found)) if found else typer.echo("nothing happened in this time that matches")


def _events(server: Server, most: int | None, query: dict[str, Any]) -> list[Event]:
    """Events page by page, up to a number of them."""
    found: list[Event] = []
    before: int | None = None
    while most is None or len(found) < most:
        size = PAGE if most is None else min(PAGE, most - len(found))
        answer = server.ask("alerts/history", {**query, "before": before, "limit": size})
        found += (made(Event, one) for one in answer["events"])
        before = answer["next"]
        if before is None:
            break
    return found


def _act(server: Server, fingerprints: list[str], action: str, body: Mapping[str, object], by: str | None,
         as_json: bool) -> None:
    """The same for each alert; whatever is refused, the others are done."""
    named = {**body, "by": by if by is not None else _myself()}
    whole = _told(lambda: [server.whole(one) for one in fingerprints])
    now, refused = SystemClock().now(), False
    for fingerprint in whole:
        try:
            answer = server.act(fingerprint, action, named)
        except Refusal as refusal:
            typer.echo(f"sales-exporter: {fingerprint}: {refusal}", err=True)
            refused = True
            continue
        if as_json:
            _print(answer)
        else:
            typer.echo(told(made(Case, answer), now))
    if refused:
        raise typer.Exit(1)


def _told(ask: Callable[[], T]) -> T:
    """What was answered; a refusal ends the command with the desk's words."""
    try:
        return ask()
    except Refusal as refusal:
        typer.echo(f"sales-exporter: {refusal}", err=True)
        raise typer.Exit(1) from None


def _seconds(text: str, flag: str) -> float:
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhdw])", text)
    if found is None:
        raise UsageError(f"{flag} {text}: expected a number and s, m, h, d or w, such as 4h")
    return float(found[1]) * _UNITS[found[2]]


def _myself() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _print(tree: object) -> None:
    typer.echo(json.dumps(tree, indent=2, ensure_ascii=False))
