"""``vectorizer-backup airflow …``: joins the command line by entry point, because the engine knows no Airflow."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from contextlib import redirect_stdout
from importlib.util import find_spec
from typing import Annotated

import typer
from rich.markup import escape

from backup_engine.cli.output import emit, table
from backup_engine.deployments import configuration_path, load_deployments
from backup_engine.findings import Finding, Level, count_missing
from backup_engine.model import system_clock

commands = typer.Typer(no_args_is_help=True, help="The Airflow that the DAGs run in.")

_SIGNS = {Level.OK: "ok", Level.NOTE: "note", Level.MISSING: "MISSING"}


@commands.callback()
def group() -> None:
    """Look at the Airflow that the DAGs run in, and try whether it tells people."""


@commands.command()
def check(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Say what is missing in this Airflow for the DAGs to work, and how to mend it.

    Run it where Airflow runs, with the same environment. Exit code 1 if something is missing.
    """
    with redirect_stdout(sys.stderr):  # where Airflow writes its log, which is no part of the answer
        findings = _findings()
    _show(findings, as_json=as_json)


@commands.command("test-alert")
def try_alert(
    channel: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Send every channel of deployments.yaml a message that says it is a test, and its end.

    Run it where Airflow runs, with the same environment. Exit code 1 if one of them could not be told.
    """
    with redirect_stdout(sys.stderr):
        findings = _trial(channel or ())
    _show(findings, as_json=as_json)


def _show(findings: list[Finding], *, as_json: bool) -> None:
    shown = table("", "what", "finding", "how to mend it")
    for finding in findings:
        shown.add_row(_SIGNS[finding.level], *map(escape, (finding.what, finding.found, finding.remedy)))
    missing = count_missing(findings)
    document = {"missing": missing, "findings": [finding.as_json() for finding in findings]}
    emit(document, shown, as_json=as_json)
    if missing:
        raise typer.Exit(1)


def _findings() -> list[Finding]:
    if find_spec("airflow") is None:
        return [_no_airflow()]
    from vectorizer_backup.checks import check_airflow

    return list(check_airflow(os.environ))


def _trial(channels: Collection[str]) -> list[Finding]:
    if find_spec("airflow") is None:
        return [_no_airflow()]
    from vectorizer_backup.alert_trial import try_channels

    loaded = load_deployments(configuration_path(os.environ))
    if loaded.alerts is None and loaded.problems:
        wrong = loaded.problems.items()
        return [Finding(Level.MISSING, name, problem, "correct deployments.yaml") for name, problem in wrong]
    return list(try_channels(loaded, channels, system_clock()))


def _no_airflow() -> Finding:
    remedy = "install it beside this package: pip install 'vectorizer-backup[airflow]', with the hashed lock"
    return Finding(Level.MISSING, "Airflow", "not installed in this Python", remedy)
