"""``vectorizer-backup``: exit code 0 done, 1 failed, 2 wrong usage."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import typer

from backup_engine import PRODUCT_VERSION
from backup_engine.archive.canonical import canonical_json
from backup_engine.cli import backups, configuration, restores, server_backups, store
from backup_engine.cli.output import say
from backup_engine.errors import BackupError

app = typer.Typer(
    name="vectorizer-backup",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Back up a Vectorizer, prove that the backups restore, and restore them: the same engine that the Airflow "
    "DAGs use. Credentials come from VECTORIZER_USERNAME and VECTORIZER_PASSWORD, VECTORIZER_API_KEY, or a key file.",
)
app.add_typer(store.app, name="store")
app.add_typer(configuration.app, name="config")
app.add_typer(server_backups.app, name="server-backup")
for name, command in (backups.COMMANDS | restores.COMMANDS).items():
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
    try:
        app(prog_name="vectorizer-backup")
    except BackupError as error:
        say(f"{type(error).__name__}: {error}")
        if "--json" in sys.argv:
            typer.echo(canonical_json({"error": {"type": type(error).__name__, "message": str(error)}}))
        sys.exit(1)
