"""``vectorizer-backup config …``."""

from __future__ import annotations

import os

import typer

from backup_engine.cli.options import JsonOption
from backup_engine.cli.output import emit, table
from backup_engine.deployments import configuration_path, load_deployments

app = typer.Typer(no_args_is_help=True, help="The file a team edits.")


@app.callback()
def group() -> None:
    """Look after the file a team edits."""


@app.command()
def check(as_json: JsonOption = False) -> None:
    """Read deployments.yaml (or VECTORIZER_BACKUP_CONFIG) and say what is wrong with each entry."""
    path = configuration_path(os.environ)
    loaded = load_deployments(path)
    shown = table("deployment", "tier", "primary, then copies", "finding", title=str(path))
    for name, deployment in sorted(loaded.deployments.items()):
        places = "\n".join(deployment.roots)
        shown.add_row(name, deployment.tier, places, "; ".join(deployment.warnings) or "valid")
    for name, problem in sorted(loaded.problems.items()):
        shown.add_row(name, "", "", f"INVALID: {problem}")
    document = {
        "file": str(path),
        "deployments": {
            name: {"root": one.root, "copies": [*one.copy_roots], "warnings": [*one.warnings]}
            for name, one in loaded.deployments.items()
        },
        "problems": dict(loaded.problems),
    }
    emit(document, shown, as_json=as_json)
    if loaded.problems:
        raise typer.Exit(1)
