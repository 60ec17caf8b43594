"""The options that several commands share, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="URL", help="A deployment's root, for example file:///var/backups/vectorizer/prod."
    ),
]
ServerOption = Annotated[
    str | None,
    typer.Option("--server", metavar="URL", help="The Vectorizer, for example http://localhost:15002."),
]
DeploymentOption = Annotated[
    str | None,
    typer.Option(
        "--deployment", metavar="NAME", help="A deployment of deployments.yaml: stands for --store and --server."
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document on standard output; everything else goes to standard error."),
]
CollectionsOption = Annotated[
    list[str] | None,
    typer.Option("--collection", metavar="NAME", help="Only this collection; may be given again."),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        metavar="FILE",
        help="Read the server's API key from this file. Otherwise VECTORIZER_USERNAME and VECTORIZER_PASSWORD, or "
        "VECTORIZER_API_KEY, are taken from the environment.",
        exists=True,
        dir_okay=False,
        readable=True,
    ),
]
BackupArgument = Annotated[str, typer.Argument(metavar="NAME", help="A backup's name, or `latest`.")]
