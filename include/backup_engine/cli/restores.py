"""``vectorizer-backup restore|resume|undo|release|restores``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown

from backup_engine import wording
from backup_engine.archive.reading import ArchiveReader, LocalFile, scan
from backup_engine.catalog import Catalog, how_far_before, seconds_before
from backup_engine.cli import tables
from backup_engine.cli.context import confirm_or_refuse, new_token, owner, server_of
from backup_engine.cli.options import (
    CollectionsOption,
    DeploymentOption,
    JsonOption,
    KeyFileOption,
    ServerOption,
    StoreOption,
    length,
)
from backup_engine.cli.output import ProgressLines, emit, say
from backup_engine.cli.places import backup_to_read, lease_of, store_of_restore, stores_that_answer
from backup_engine.errors import BrokenChain
from backup_engine.model import system_clock
from backup_engine.restore.description import (
    describe,
    describe_released,
    describe_report,
    describe_undo,
    describe_undone,
)
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.journal import keep_plan
from backup_engine.restore.lifecycle import KnownRestore, list_restores, release_restore, resume_restore
from backup_engine.restore.plan import raise_refusals
from backup_engine.restore.planning import preview_restore
from backup_engine.restore.releasing import PlannedRelease, plan_releases
from backup_engine.restore.report import Released
from backup_engine.restore.request import RestoreMode, RestoreRequest
from backup_engine.restore.undoing import plan_undo, undo_restore
from backup_engine.restore_point import RestorePoint
from backup_engine.storage.contract import Store

PointArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME|latest|latest-verified|TIME", help="What to restore; a time finds the newest before it."
    ),
]
ArchiveOption = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        metavar="FILE",
        help="Restore from this file instead; it needs no store.",
        exists=True,
        dir_okay=False,
    ),
]
RenameOption = Annotated[
    list[str] | None,
    typer.Option("--rename", metavar="OLD=NEW", help="Restore OLD under the name NEW; may be given again."),
]
ModeOption = Annotated[
    RestoreMode,
    typer.Option(
        "--mode",
        help="new: refuse names that exist. merge: write what the backup has, delete nothing. "
        "replace: make the collections equal to the backup; what is there now is kept aside until `release`.",
    ),
]
InPlaceOption = Annotated[
    bool,
    typer.Option(
        "--in-place",
        help="With --mode replace: write over the live collection instead of loading a second one beside it, for a "
        "server without room for two. Readers see a mixture meanwhile; a snapshot on the server's disk is the undo.",
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the plan and touch nothing.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Replace without asking.")]
RestoreArgument = Annotated[str, typer.Argument(metavar="RESTORE", help="The id that `restore` printed.")]
OptionalRestoreArgument = Annotated[
    str | None, typer.Argument(metavar="RESTORE", help="The id that `restore` printed, or that `restores` lists.")
]
OlderThanOption = Annotated[
    timedelta | None,
    typer.Option(
        "--older-than",
        metavar="LENGTH",
        parser=length,
        help="Instead of one: all restores of this server that ended that long ago, for example 7d.",
    ),
]


def restore(
    point: PointArgument = None,
    archive: ArchiveOption = None,
    store: StoreOption = None,
    server: ServerOption = None,
    deployment: DeploymentOption = None,
    collection: CollectionsOption = None,
    rename: RenameOption = None,
    mode: ModeOption = RestoreMode.NEW,
    in_place: InPlaceOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    api_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore a backup, or some of its collections, and compare the result with the backup."""
    if (point is None) == (archive is None):
        raise typer.BadParameter("give a restore point or --archive FILE", param_hint="NAME")
    if in_place and archive:
        raise typer.BadParameter("it needs a store, where the undo is written down", param_hint="--in-place")
    reached = server_of(server, deployment, api_key_file)
    opened, reader = (None, _from_file(archive)) if archive else _from_store(store, deployment, str(point), collection)
    request = RestoreRequest(
        restore_id=new_token()[:12],
        backup=reader.manifest.clear.name,
        collections=tuple(collection) if collection else None,
        rename=_renames(rename or []),
        mode=mode,
        in_place=in_place,
    )
    plan = preview_restore(request, reader.manifest, reached)
    before = {"seconds_before": seconds_before(point or "", reader.manifest.clear)}
    if dry_run or not as_json:
        emit(plan.model_dump(mode="json") | before, Markdown(describe(plan)), as_json=as_json)
    raise_refusals(plan)
    if dry_run:
        return
    if plan.replaces:
        confirm_or_refuse("This replaces what the server has now, as the plan above says. Go on?", yes=yes)
    if opened is not None:
        plan = keep_plan(plan, opened)
        say(f"If this is interrupted, `vectorizer-backup resume {request.restore_id}` goes on.")
    report = execute_restore(
        plan,
        reader,
        reached,
        opened,
        system_clock,
        owner=owner(),
        progress=ProgressLines(),
        lease=None if opened is None else lease_of(opened, deployment),
    )
    emit(report.model_dump(mode="json") | before, Markdown(describe_report(report)), as_json=as_json)


def resume(
    restore_id: RestoreArgument,
    store: StoreOption = None,
    server: ServerOption = None,
    deployment: DeploymentOption = None,
    api_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Finish a restore that was interrupted, from what the server has by now."""
    opened = store_of_restore(store, deployment, restore_id)
    reached = server_of(server, deployment, api_key_file)
    report = resume_restore(
        restore_id,
        opened,
        reached,
        system_clock,
        owner=owner(),
        progress=ProgressLines(),
        lease=lease_of(opened, deployment),
    )
    emit(report.model_dump(mode="json"), Markdown(describe_report(report)), as_json=as_json)


def undo(
    restore_id: RestoreArgument,
    store: StoreOption = None,
    server: ServerOption = None,
    deployment: DeploymentOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    api_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a restore back: what it replaced comes back, from what is kept or from the server's snapshots."""
    opened = store_of_restore(store, deployment, restore_id)
    reached = server_of(server, deployment, api_key_file)
    plan = plan_undo(restore_id, opened, reached, system_clock)
    if dry_run or not as_json:
        emit(plan.model_dump(mode="json"), Markdown(describe_undo(plan)), as_json=as_json)
    if dry_run:
        return
    if not plan.refusals:
        confirm_or_refuse("This takes the restore back, as the plan above says. Go on?", yes=yes)
    lease = lease_of(opened, deployment)
    undone = undo_restore(restore_id, opened, reached, system_clock, owner=owner(), lease=lease)
    emit(undone.model_dump(mode="json"), Markdown(describe_undone(undone)), as_json=as_json)


def release(
    restore_id: OptionalRestoreArgument = None,
    older_than: OlderThanOption = None,
    store: StoreOption = None,
    server: ServerOption = None,
    deployment: DeploymentOption = None,
    dry_run: DryRunOption = False,
    api_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let go of the collections that a restore replaced and kept aside, or that all older restores did."""
    if (restore_id is None) == (older_than is None):
        raise typer.BadParameter("give the id of a restore, or --older-than LENGTH", param_hint="RESTORE")
    reached = server_of(server, deployment, api_key_file)
    if restore_id is not None and not dry_run:
        opened = store_of_restore(store, deployment, restore_id)
        lease = lease_of(opened, deployment)
        released = release_restore(restore_id, reached, opened, system_clock, owner(), lease=lease)
        emit(released.model_dump(mode="json"), Markdown(describe_released(released)), as_json=as_json)
        return
    url, planned, done = reached.facts().url, list[PlannedRelease](), list[Released]()
    for place in stores_that_answer(store, deployment):
        known = [one for one in list_restores(place) if one.plan and one.plan.server_url == url]
        chosen = [one for one in known if restore_id in {None, one.restore_id}]
        here = plan_releases(chosen, system_clock(), older_than or timedelta(0))
        planned += here
        lease = lease_of(place, deployment)
        due = [] if dry_run else [one.restore_id for one in here if one.release]
        done += [release_restore(one, reached, place, system_clock, owner(), lease=lease) for one in due]
    document = {
        "planned": [one.model_dump(mode="json") for one in planned],
        "released": [one.model_dump(mode="json") for one in done],
    }
    emit(document, tables.releases(planned), as_json=as_json)


def restores(
    store: StoreOption = None,
    deployment: DeploymentOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the restores that are remembered, the newest first: how far each is, and what it keeps aside.

    A restore is remembered where its backup was read: of a deployment all places are asked that answer.
    """
    places = stores_that_answer(store, deployment)
    known = sorted((one for place in places for one in list_restores(place)), key=_planned_at, reverse=True)
    emit({"restores": [one.model_dump(mode="json") for one in known]}, tables.restores(known), as_json=as_json)


def _from_file(path: Path) -> ArchiveReader:
    source = LocalFile(path)
    reader = ArchiveReader(source, scan(source))
    clear = reader.manifest.clear
    bases = sorted({one.base.name for one in clear.collections if one.base is not None})
    if bases:
        raise BrokenChain(
            f"{path} is {clear.name}, which holds only what changed since {wording.listing(bases)}: it cannot be "
            "restored from this file alone. Restore it from its store by name, or download an archive of a full"
        )
    say(f"{path}: no store, so no lease is taken; make sure that nobody else restores into this server")
    return reader


def _from_store(
    store: str | None, deployment: str | None, point: str, collections: list[str] | None
) -> tuple[Store, RestorePoint]:
    opened, backup = backup_to_read(store, deployment, point, collections=collections or None)
    if told := how_far_before(point, backup):
        say(told)
    return opened, Catalog(opened, system_clock).open_point(backup, collections or None)


def _planned_at(known: KnownRestore) -> tuple[datetime, str]:
    return known.planned_at, known.restore_id


def _renames(pairs: list[str]) -> dict[str, str]:
    renames: dict[str, str] = {}
    for pair in pairs:
        old, equals, new = pair.partition("=")
        if not (old and equals and new) or old in renames:
            raise typer.BadParameter(f"{pair!r} is not OLD=NEW, or OLD is there twice", param_hint="--rename")
        renames[old] = new
    return renames


COMMANDS: dict[str, Callable[..., None]] = {
    "restore": restore,
    "resume": resume,
    "undo": undo,
    "release": release,
    "restores": restores,
}
