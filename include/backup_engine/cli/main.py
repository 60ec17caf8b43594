"""``vectorizer-backup``: exit code 0 done, 1 failed, 2 wrong usage."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import typer

from backup_engine import PRODUCT_VERSION
from backup_engine.archive.canonical import canonical_json
from backup_engine.cli import (
    backups,
    configuration,
    copies,
    restores,
    retention,
    server_backups,
    simulating,
    standby,
    status,
    store,
    time_travel,
)
from backup_engine.cli.output import say, say_once
from backup_engine.errors import BackupError

app = typer.Typer(
    name="vectorizer-backup",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Back up a Vectorizer, prove that the backups restore, and restore them: the same engine that the Airflow "
    "DAGs use. A server's credentials come from VECTORIZER_USERNAME and VECTORIZER_PASSWORD, VECTORIZER_API_KEY, or a "
    "key file; those of S3 and Google Cloud Storage from where their own tools take them. With --deployment, commands "
    "that read fall over to the copies when the primary store is gone; --store means exactly that one.",
)
app.add_typer(store.app, name="store")
app.add_typer(configuration.app, name="config")
app.add_typer(server_backups.app, name="server-backup")
app.add_typer(standby.app, name="standby")
app.add_typer(simulating.app, name="retention")
_COMMANDS = {
    **status.COMMANDS,
    **backups.COMMANDS,
    **copies.COMMANDS,
    **restores.COMMANDS,
    **retention.COMMANDS,
    **time_travel.COMMANDS,
}
for name, command in _COMMANDS.items():
    app.command(name)(command)


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"vectorizer-backup {PRODUCT_VERSION}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", callback=lambda wanted: _version(wanted=wanted), is_eager=True),
) -> None:
    """Back up and restore a Vectorizer."""


def main() -> None:
    """Run the command line; installed packages may have added commands."""
    for found in entry_points(group="vectorizer_backup.commands"):
        app.add_typer(found.load(), name=found.name)
    say_once.cache_clear()
    try:
        app(prog_name="vectorizer-backup")
    except BackupError as error:
        say("\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]))
        if "--json" in sys.argv:
            typer.echo(canonical_json({"error": {"type": type(error).__name__, "message": str(error)}}))
        sys.exit(1)
