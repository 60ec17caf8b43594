"""``vectorizer-backup diff|find-change|synthesize``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from rich.markdown import Markdown

from backup_engine import wording
from backup_engine.catalog import Catalog
from backup_engine.cli import tables
from backup_engine.cli.context import new_token, server_of
from backup_engine.cli.options import (
    BackupArgument,
    CollectionsOption,
    DeploymentOption,
    JsonOption,
    KeyFileOption,
    ReadWithOption,
    ServerOption,
    StoreOption,
)
from backup_engine.cli.output import ProgressLines, emit, fail, say
from backup_engine.cli.places import primary_of, store_to_read
from backup_engine.describing import describe
from backup_engine.diff.description import describe_diff, describe_history
from backup_engine.diff.differing import MOST_IDS, diff_points
from backup_engine.diff.finding import find_change as find_change_in
from backup_engine.diff.live import diff_with_server
from backup_engine.errors import VerificationFailed
from backup_engine.model import system_clock
from backup_engine.restore_point import RestorePoint
from backup_engine.storage.contract import Store
from backup_engine.synthesis import Synthesized, why_costly
from backup_engine.synthesis import synthesize as synthesize_in
from backup_engine.verification import VerificationLevel, require_passed, verify_backup

LIVE = "live"
"""Stands for what the server holds now."""

FirstArgument = Annotated[
    str, typer.Argument(metavar="A", help="The earlier state: a backup's name, `latest`, or a time.")
]
SecondArgument = Annotated[
    str, typer.Argument(metavar="B", help="The later one: the same, or `live` for what the server holds now.")
]
IdsOption = Annotated[
    int,
    typer.Option(
        "--ids", metavar="N", min=0, max=MOST_IDS, help="Name up to so many ids of each kind for each collection."
    ),
]


def diff(
    first: FirstArgument,
    second: SecondArgument,
    store: StoreOption = None,
    server: ServerOption = None,
    deployment: DeploymentOption = None,
    collection: CollectionsOption = None,
    ids: IdsOption = 0,
    read_with: ReadWithOption = None,
    api_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what changed between two backups, or between a backup and the live server, collection by collection."""
    if first == LIVE:
        raise typer.BadParameter("the server can only be the second of the two", param_hint="A")
    reached = server_of(server, deployment, api_key_file, read_with) if second == LIVE else None
    opened = store_to_read(store, deployment)
    catalog = Catalog(opened, system_clock)
    a = _opened(catalog, first)
    wanted = tuple(collection or ())
    if reached is not None:
        found = diff_with_server(a, reached, system_clock, collections=wanted, ids=ids, progress=ProgressLines())
    else:
        found = diff_points(a, _opened(catalog, second), collections=wanted, ids=ids)
    emit(found.model_dump(mode="json"), Markdown(describe_diff(found)), as_json=as_json)


def find_change(
    collection: Annotated[str, typer.Option("--collection", metavar="NAME", help="The collection it is in.")],
    record_id: Annotated[str, typer.Option("--id", metavar="ID", help="The record's id.")],
    store: StoreOption = None,
    deployment: DeploymentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show in which backups a record appeared, changed and vanished: where the last good one is."""
    opened = store_to_read(store, deployment)
    catalog = Catalog(opened, system_clock)
    for problem in catalog.unreadable:
        say(f"not asked: {problem}")
    history = find_change_in(opened, catalog.backups(), collection, record_id)
    emit(history.model_dump(mode="json"), Markdown(describe_history(history)), as_json=as_json)


def synthesize(
    name: BackupArgument,
    store: StoreOption = None,
    deployment: DeploymentOption = None,
    if_costly: Annotated[
        bool, typer.Option("--if-costly", help="Only where a restore from the chain would read much more than a full.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Store an incremental's state whole, from its chain and without the server, and verify every byte of it."""
    opened = primary_of(store, deployment)
    catalog = Catalog(opened, system_clock)
    source = catalog.find(name)
    why = why_costly(source, catalog.by_name) if if_costly else ""
    if why is None:
        say(f"nothing is made: restoring {source.name} costs about as much as restoring a full")
        emit(describe(source, catalog.by_name), tables.one(source, catalog.by_name), as_json=as_json)
        return
    if why:
        say(why)
    made = synthesize_in(opened, source.name, system_clock, new_token(), progress=ProgressLines())
    if made.already:
        say(f"{made.of} was made into {made.name} before")
    if made.left_over:
        say(f"the backup is made, but what was kept meanwhile stays: {made.left_over}")
    _verify(opened, made, as_json=as_json)


def _verify(store: Store, made: Synthesized, *, as_json: bool) -> None:
    report = verify_backup(
        store, made.folder, made.name, VerificationLevel.FULL, system_clock, token=new_token(), progress=ProgressLines()
    )
    backups = Catalog(store, system_clock).by_name
    backup = backups[made.name]
    emit(describe(backup, backups), tables.one(backup, backups), as_json=as_json)
    try:
        require_passed(report)
    except VerificationFailed as error:
        fail(error)


def _opened(catalog: Catalog, point: str) -> RestorePoint:
    backup = catalog.find(point)
    if backup.name != point:
        say(f"{point} is {backup.name}, captured {wording.moment(backup.captured_at)}")
    return catalog.open_point(backup)


COMMANDS: dict[str, Callable[..., None]] = {"diff": diff, "find-change": find_change, "synthesize": synthesize}
