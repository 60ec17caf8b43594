"""``vectorizer-backup server-backup …``: the server's own backup API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backup_engine import wording
from backup_engine.cli import tables
from backup_engine.cli.context import confirm_or_refuse, server_of
from backup_engine.cli.options import DeploymentOption, JsonOption, KeyFileOption, ServerOption
from backup_engine.cli.output import ProgressLines, emit, say, table
from backup_engine.vectorizer.server_backups.file import ServerBackup

app = typer.Typer(
    no_args_is_help=True,
    help="What the server's own backup API makes: on the server's own disk, without most settings, and nothing there "
    "deletes it. A Vectorizer up to now sends all of them whole whenever one is asked for, built in its memory (10 GiB "
    "for 100,000 vectors of 384). For backups that are checked and restored, use the other commands.",
)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The server backup's id, as `list` shows it.")]
NamedCollections = Annotated[
    list[str] | None, typer.Option("--collection", metavar="NAME", help="A collection; may be given again.")
]


@app.callback()
def group() -> None:
    """Use the server's own backup API."""


@app.command("list")
def list_server_backups(
    server: ServerOption = None,
    deployment: DeploymentOption = None,
    api_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what the server has, newest first, and count what is in it where the server sends it."""
    found = server_of(server, deployment, api_key_file).backup_api.backups()
    shown = table("id", "name", "date", "collections", "vectors#")
    for one in found:
        shown.add_row(one.id, one.name, one.date, _collections(one), _vectors(one))
    document = {"server_backups": [one.model_dump(mode="json") for one in found]}
    emit(document, shown if found else "No server backups.", as_json=as_json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A label; the server gives the id.")],
    collection: NamedCollections = None,
    server: ServerOption = None,
    deployment: DeploymentOption = None,
    api_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the server make one of the collections that are named, and count what came of it."""
    if not collection:
        raise typer.BadParameter(
            "name each collection: for none, the server makes an empty one and says success", param_hint="--collection"
        )
    made = server_of(server, deployment, api_key_file).backup_api.create(name, collection)
    shown = {"server backup": made.id, "name": made.name, "holds": _collections(made), "vectors": _vectors(made)}
    emit(made.model_dump(mode="json"), tables.pairs(shown), as_json=as_json)


@app.command()
def download(
    backup_id: IdArgument,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", dir_okay=False, help="Must not exist.")],
    server: ServerOption = None,
    deployment: DeploymentOption = None,
    api_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch one into a file: as the server offers it, or its JSON text out of the server's list."""
    saved = server_of(server, deployment, api_key_file).backup_api.save(backup_id, output, ProgressLines())
    shown = {
        "server backup": saved.id,
        "file": saved.path,
        "size": wording.size(saved.bytes),
        "vectors": f"{sum(saved.vectors.values()):,}",
        "sha256": saved.sha256,
    }
    emit(saved.model_dump(mode="json"), tables.pairs(shown), as_json=as_json)


@app.command()
def restore(
    backup_id: IdArgument,
    collection: NamedCollections = None,
    server: ServerOption = None,
    deployment: DeploymentOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Restore without asking.")] = False,
    api_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the server write one into its collections, and compare what they hold then. It cannot be undone."""
    reached = server_of(server, deployment, api_key_file)
    chosen = wording.listing(collection) if collection else "all its collections"
    confirm_or_refuse(f"This writes {chosen} of the server backup {backup_id} into {reached}. Go on?", yes=yes)
    say("No lease is taken: make sure that no backup and no other restore of this server is running.")
    done = reached.backup_api.restore(backup_id, collection or None)
    shown = table("collection", "in the server backup#", "before#", "now#")
    for name, vectors in done.vectors.items():
        before = done.before[name]
        shown.add_row(name, f"{vectors:,}", "missing" if before is None else f"{before:,}", f"{done.after[name]:,}")
    emit(done.model_dump(mode="json"), shown, as_json=as_json)
    if not done.compared:
        say("Only counted: this server cannot be asked for records, so what they hold was not compared.")


def _collections(found: ServerBackup) -> str:
    return ", ".join(found.collections if found.vectors is None else found.vectors)


def _vectors(found: ServerBackup) -> str:
    return "not listed" if found.vectors is None else f"{sum(found.vectors.values()):,}"
