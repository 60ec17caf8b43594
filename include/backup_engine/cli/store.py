"""``vectorizer-backup store …``."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

import typer

from backup_engine.cli.options import JsonOption
from backup_engine.cli.output import emit, table
from backup_engine.model import system_clock
from backup_engine.storage.identity import init_store
from backup_engine.storage.opening import open_store

app = typer.Typer(no_args_is_help=True, help="Where backups lie.")


@app.callback()
def group() -> None:
    """Look after where backups lie."""


@app.command()
def init(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="The deployment's own root, for example file:///backups/prod.")
    ],
    deployment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose backups lie here; by default the root's last part.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an empty root into a store. Running it again changes nothing."""
    store = open_store(url)
    identity = init_store(store, deployment or url.rstrip("/").rpartition("/")[2], system_clock, lambda: uuid4().hex)
    shown = table("store", "deployment", "id", "created")
    shown.add_row(store.url, identity.deployment, identity.store_id, f"{identity.created_at:%Y-%m-%d %H:%M:%S}Z")
    emit({"store": store.url, **identity.model_dump(mode="json")}, shown, as_json=as_json)
