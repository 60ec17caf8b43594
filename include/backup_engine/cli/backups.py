"""``vectorizer-backup create|list|show|verify|download|acknowledge``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from backup_engine import wording
from backup_engine.archive.manifest import BackupState
from backup_engine.backup import Backup
from backup_engine.catalog import Catalog
from backup_engine.cli import tables
from backup_engine.cli.capturing import capture, request_of
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
from backup_engine.cli.places import backup_to_read, primary_of, store_to_read
from backup_engine.copies.copying import download_backup
from backup_engine.describing import describe, outlined
from backup_engine.errors import NoGoodBackup, VerificationFailed
from backup_engine.model import system_clock
from backup_engine.records import acknowledge_backup
from backup_engine.storage.contract import Store
from backup_engine.verification import VerificationLevel, VerificationReport, require_passed, verify_backup

_SHOWN = 100  # of the newest: a table of ten thousand takes longer than reading them


def create(
    server: ServerOption = None,
    store: StoreOption = None,
    deployment: DeploymentOption = None,
    collection: CollectionsOption = None,
    label: Annotated[str | None, typer.Option(metavar="TEXT", help="A few words to find this backup by.")] = None,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Accept a server without collections.")] = False,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Store only what changed; where nothing can be built on, a full.")
    ] = False,
    read_with: ReadWithOption = None,
    api_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a backup and verify every byte of it. A partial or suspect backup is a failure (exit code 1)."""
    opened = primary_of(store, deployment)
    reached = server_of(server, deployment, api_key_file, read_with)
    chosen = tuple(collection or ())
    request = request_of(
        opened, deployment, chosen=chosen, label=label, allow_empty=allow_empty, incremental=incremental
    )
    made = capture(request, reached, opened)
    if made.left_over:
        say(f"the backup is made, but what the run kept meanwhile stays: {made.left_over}")
    report = verify_backup(
        opened,
        made.folder,
        made.name,
        VerificationLevel.FULL,
        system_clock,
        token=new_token(),
        progress=ProgressLines(),
    )
    backup = _emit_newly_read(opened, made.name, as_json=as_json)
    _end_unless_passed(report)
    if backup.state is not BackupState.GOOD:
        reasons = wording.listing(backup.manifest.private.reasons, most=20)
        fail(NoGoodBackup(f"{made.name} is {backup.state}, not good: {reasons}"))


def list_backups(
    store: StoreOption = None,
    deployment: DeploymentOption = None,
    every: Annotated[bool, typer.Option("--all", help="Show all of them, not the newest hundred.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the backups of a store, newest first, and what is known of each; with --json all of them."""
    catalog = Catalog(store_to_read(store, deployment), system_clock)
    backups = catalog.backups()
    for problem in catalog.unreadable:
        say(f"not counted: {problem}")
    if as_json:
        emit({"backups": [outlined(backup, catalog.by_name) for backup in backups]}, "", as_json=True)
        return
    shown = backups if every else backups[:_SHOWN]
    emit({}, tables.many(shown, catalog.by_name), as_json=False)
    if len(shown) < len(backups):
        say(f"the newest {len(shown):,} of {wording.count(len(backups), 'backup')}; --all shows all")


def show(
    name: BackupArgument, store: StoreOption = None, deployment: DeploymentOption = None, as_json: JsonOption = False
) -> None:
    """Show one backup: its collections, how each was read, what was left out and why."""
    opened, backup = backup_to_read(store, deployment, name, whole=False)
    _emit_newly_read(opened, backup.name, as_json=as_json)


def verify(
    name: BackupArgument,
    store: StoreOption = None,
    deployment: DeploymentOption = None,
    level: Annotated[
        VerificationLevel, typer.Option(help="quick: there, whole, lists. full: every byte and every digest.")
    ] = (VerificationLevel.FULL),
    as_json: JsonOption = False,
) -> None:
    """Verify a backup and record the result beside it."""
    opened, backup = backup_to_read(store, deployment, name, whole=False)
    report = verify_backup(
        opened, backup.folder, backup.name, level, system_clock, token=new_token(), progress=ProgressLines()
    )
    emit(report.model_dump(mode="json"), tables.verification(report), as_json=as_json)
    _end_unless_passed(report)


def download(
    name: BackupArgument,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", dir_okay=False, help="Must not exist.")],
    store: StoreOption = None,
    deployment: DeploymentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a backup's archive, checking every entry on the way. `tar -xzf` opens it."""
    opened, backup = backup_to_read(store, deployment, name)
    report = download_backup(backup.folder, backup.name, opened, output)
    shown = tables.pairs({"backup": report.name, "file": str(output), "size": wording.size(report.bytes)})
    emit({**report.model_dump(mode="json"), "file": str(output)}, shown, as_json=as_json)


def acknowledge(
    name: BackupArgument,
    why: Annotated[str, typer.Option(metavar="TEXT", help="What you checked; kept with the backup.")],
    store: StoreOption = None,
    deployment: DeploymentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accept a suspect backup as good: what it lacks is meant to be gone."""
    opened = primary_of(store, deployment)
    backup = Catalog(opened, system_clock).find(name)
    acknowledge_backup(opened, backup.folder, backup.name, why=why, clock=system_clock, token=new_token())
    _emit_newly_read(opened, backup.name, as_json=as_json)


def _emit_newly_read(opened: Store, name: str, *, as_json: bool) -> Backup:
    """Print a backup as its store knows it now, with what it hangs on."""
    known = Catalog(opened, system_clock).by_name
    emit(describe(known[name], known), tables.one(known[name], known), as_json=as_json)
    return known[name]


def _end_unless_passed(report: VerificationReport) -> None:
    try:
        require_passed(report)
    except VerificationFailed as error:
        fail(error)


COMMANDS: dict[str, Callable[..., None]] = {
    "create": create,
    "list": list_backups,
    "show": show,
    "verify": verify,
    "download": download,
    "acknowledge": acknowledge,
}
