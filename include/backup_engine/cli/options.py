"""The options that several commands share, each written once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ByteSize, TypeAdapter, ValidationError

from backup_engine.lengths import Duration
from backup_engine.model import ReadWay
from backup_engine.retention.policy import Slots, parse_slots


def length(text: str) -> timedelta:
    """Read a length of time as deployments.yaml has it: 90s, 15min, 4h, 7d."""
    try:
        return TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter(f"{text!r} is no length of time like 90s, 15min, 4h or 7d") from error


def slots(text: str) -> Slots:
    """Read how many days, weeks and months keep a full: 30d/12w/12m."""
    try:
        return parse_slots(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no policy like 30d/12w/12m that keeps anything") from error


def byte_size(text: str) -> ByteSize:
    """Read a size as people write it: 300MB, 2GB, 1.5GiB."""
    try:
        return TypeAdapter(ByteSize).validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter(f"{text!r} is no size like 300MB or 2GB") from error


_WAYS = ("auto", *ReadWay)


def way(text: str) -> str:
    """Read a way to read records, or "auto"."""
    if text not in _WAYS:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(_WAYS)}")
    return text


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
ReadWithOption = Annotated[
    str | None,
    typer.Option(
        "--read-with",
        metavar="|".join(_WAYS),
        parser=way,
        help="How to read records. auto, unless the deployment says otherwise: the first of these that the server "
        "offers. backup-api leaves a server backup for each collection on the server, which nothing deletes.",
    ),
]
BackupArgument = Annotated[str, typer.Argument(metavar="NAME", help="A backup's name, or `latest`.")]
