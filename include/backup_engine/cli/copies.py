"""``vectorizer-backup copy|sync``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated

import typer
from rich.console import Group, RenderableType

from backup_engine import wording
from backup_engine.catalog import Catalog
from backup_engine.cli import tables
from backup_engine.cli.context import find_deployment, new_token
from backup_engine.cli.options import BackupArgument, DeploymentOption, JsonOption, StoreOption
from backup_engine.cli.output import ProgressLines, emit, say, table
from backup_engine.cli.places import open_root, primary_of, shown
from backup_engine.copies.copying import copy_backup, missing_bases
from backup_engine.copies.inventory import Inventory, take_inventory
from backup_engine.copies.planning import Direction, SyncPlan, plan_sync
from backup_engine.copies.reaching import GONE
from backup_engine.copies.syncing import Outcome, carry_out_all
from backup_engine.errors import ConfigurationError
from backup_engine.model import system_clock

_MOST_LEFT = 10  # lines of what is left as it is; all of it is in the JSON


def copy(
    name: BackupArgument,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="Another initialised root of this deployment.")],
    store: StoreOption = None,
    deployment: DeploymentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a backup to another store: archive first, manifest last, compared by content, and written down here. What it
    hangs on and that store lacks is copied before it.
    """
    opened, target = primary_of(store, deployment), open_root(to)
    catalog = Catalog(opened, system_clock)
    backup = catalog.find(name)
    for one in (*missing_bases(backup, catalog.by_name, target), backup):
        if one is not backup:
            say(f"{backup.name} hangs on {one.name}, which {target.url} lacks: copied first")
        report = copy_backup(
            one.folder,
            one.name,
            opened,
            target,
            clock=system_clock,
            token=new_token(),
            to=to,
            progress=ProgressLines(),
        )
    state = f"{wording.size(report.copied)} copied" if report.copied else "was there already"
    compared = f"{wording.size(report.compared)} compared" if report.compared else "compared before"
    facts = {"backup": report.name, "to": target.url, "result": f"{state}, {compared}"}
    emit({**report.model_dump(mode="json"), "to": target.url}, tables.pairs(facts), as_json=as_json)


def sync(
    store: StoreOption = None,
    copies: Annotated[
        list[str] | None,
        typer.Option("--copy", metavar="URL", help="With --store: a copy's root; may be given again."),
    ] = None,
    deployment: DeploymentOption = None,
    direction: Annotated[
        Direction,
        typer.Option(
            help="out: the copies get what the primary holds. back: the primary gets what the copies hold, to rebuild "
            "a lost one. both: every place gets what any of them holds."
        ),
    ] = Direction.OUT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be brought where, and why.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring backups to where they are missing or damaged, the newest first. Nothing that differs is overwritten.

    Exit code 1 if a place is gone, something could not be brought, or places hold different backups under one name.
    """
    roots = _roots(store, copies or [], deployment)
    inventories = [take_inventory(roots[0], open_root(roots[0]), system_clock), *_reachable(roots[1:])]
    plan = plan_sync(inventories, direction=direction)
    _say_what_is_wrong(inventories, plan)
    outcomes = [] if dry_run else [*_carried_out(plan)]
    missing = [root for root in roots if root not in {one.url for one in inventories}]
    document = {
        "direction": direction.value,
        "dry_run": dry_run,
        "steps": [_shown(one) for one in (outcomes or [Outcome(step=step) for step in plan.steps])],
        "conflicts": [*plan.conflicts],
        "left": [*plan.left],
        "unreadable": {one.place: [*one.unreadable] for one in inventories if one.unreadable},
        "gone": [shown(root) for root in missing],
    }
    emit(document, _table(plan, outcomes), as_json=as_json)
    if missing or plan.conflicts or any(one.problem for one in outcomes):
        raise typer.Exit(1)


def _roots(store: str | None, copies: Sequence[str], deployment: str | None) -> Sequence[str]:
    if (store is None) == (deployment is None):
        raise typer.BadParameter("give --deployment NAME, or --store URL and --copy URL", param_hint="--store")
    if store is not None:
        if not copies:
            raise typer.BadParameter("name at least one copy", param_hint="--copy")
        return [store, *copies]
    if copies:
        raise typer.BadParameter("a deployment's copies are those of deployments.yaml", param_hint="--copy")
    found = find_deployment(str(deployment))
    if not found.copies:
        raise ConfigurationError(
            f"deployment {found.name!r} has no copies: name stores under `copies` in deployments.yaml, and prepare "
            "each with `vectorizer-backup store init`"
        )
    return found.roots


def _reachable(roots: Iterable[str]) -> Iterator[Inventory]:
    for root in roots:
        try:
            yield take_inventory(root, open_root(root), system_clock)
        except GONE as error:
            say(f"the copy {shown(root)} is gone, and gets nothing now: {error}")


def _say_what_is_wrong(inventories: Iterable[Inventory], plan: SyncPlan) -> None:
    for inventory in inventories:
        for problem in inventory.unreadable:
            say(f"not counted, in {inventory.place}: {problem}")
    for conflict in plan.conflicts:
        say(f"CONFLICT: {conflict}")


def _carried_out(plan: SyncPlan) -> Iterator[Outcome]:
    for outcome in carry_out_all(plan, open_root, system_clock, token=new_token, progress=ProgressLines()):
        if outcome.problem:
            say(f"{outcome.step.backup} to {shown(outcome.step.target)}: {outcome.problem}")
        yield outcome


def _table(plan: SyncPlan, outcomes: Sequence[Outcome]) -> RenderableType:
    steps = table("backup", "", "from", "to", "size#", "because", "result")
    results = [_result(one) for one in outcomes] or [""] * len(plan.steps)
    for step, result in zip(plan.steps, results, strict=True):
        name = f"{step.folder}/{step.backup}"
        places = (shown(step.source), shown(step.target))
        steps.add_row(name, step.action, *places, wording.size(step.bytes), step.reason, result)
    head = f"{wording.count(len(plan.steps), 'step')}, {wording.size(plan.bytes)}"
    left = [f"left: {sentence}" for sentence in plan.left[:_MOST_LEFT]]
    if len(plan.left) > _MOST_LEFT:
        left.append(f"left: {len(plan.left) - _MOST_LEFT:,} more, see --json")
    body: list[RenderableType] = [steps, head] if plan.steps else ["Nothing to bring."]
    return Group(*body, *left)


def _shown(outcome: Outcome) -> dict[str, object]:
    said = outcome.model_dump(mode="json")
    return {**said.pop("step"), **said}


def _result(outcome: Outcome) -> str:
    if outcome.report is None:
        return "FAILED"
    return f"{wording.size(outcome.report.copied)} copied" if outcome.report.copied else "done"


COMMANDS: dict[str, Callable[..., None]] = {"copy": copy, "sync": sync}
