"""``vectorizer-backup store …``."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

import typer

from backup_engine.cli.options import JsonOption
from backup_engine.cli.output import emit, say, table
from backup_engine.cli.places import open_root
from backup_engine.findings import Finding, Level, count_missing
from backup_engine.model import system_clock
from backup_engine.storage.address import parse_address
from backup_engine.storage.checking import check_store
from backup_engine.storage.identity import init_store

_LEVELS = {Level.OK: "ok", Level.NOTE: "note", Level.MISSING: "MISSING"}

app = typer.Typer(no_args_is_help=True, help="Where backups lie.")


@app.callback()
def group() -> None:
    """Look after where backups lie."""


@app.command()
def init(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="The deployment's own root, for example file:///backups/prod, s3://bucket/prod or gs://bucket/prod.",
        ),
    ],
    deployment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose backups lie here; by default the root's last part.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an empty root into a store. Running it again changes nothing."""
    store, address = open_root(url), parse_address(url)
    last = (address.path or address.bucket).rpartition("/")[2]
    identity = init_store(store, deployment or last, system_clock, lambda: uuid4().hex)
    shown = table("store", "deployment", "id", "created")
    shown.add_row(store.url, identity.deployment, identity.store_id, f"{identity.created_at:%Y-%m-%d %H:%M:%S}Z")
    emit({"store": store.url, **identity.model_dump(mode="json")}, shown, as_json=as_json)


@app.command()
def check(
    url: Annotated[str, typer.Argument(metavar="URL", help="A root; it need not be initialised yet.")],
    as_json: JsonOption = False,
) -> None:
    """Try everything the product relies on, with some 30 MiB of its own that are deleted again.

    Exit code 1 if something is missing. The findings are explained in docs/operations.md.
    """
    store, staging = open_root(url), parse_address(url).options.get("staging")
    if staging is not None:
        say(f"what is tried here lies in {staging}; check the address without ?staging={staging}, too")
    shown, findings = table("", "what", "found", "to do", title=store.url), list[Finding]()
    for finding in check_store(store, system_clock, uuid4().hex[:12]):
        findings.append(finding)
        shown.add_row(_LEVELS[finding.level], finding.what, finding.found, finding.remedy)
    missing = count_missing(findings)
    document = {"store": store.url, "missing": missing, "findings": [finding.as_json() for finding in findings]}
    emit(document, shown, as_json=as_json)
    if missing:
        raise typer.Exit(1)
