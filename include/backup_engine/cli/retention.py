"""``vectorizer-backup prune|pin|unpin``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from getpass import getuser
from typing import Annotated, NamedTuple

import typer

from backup_engine import wording
from backup_engine.catalog import Catalog
from backup_engine.cli import tables
from backup_engine.cli.context import confirm_or_refuse, find_deployment, new_token, owner
from backup_engine.cli.options import BackupArgument, DeploymentOption, JsonOption, StoreOption, slots
from backup_engine.cli.output import emit, say
from backup_engine.cli.places import open_root, primary_of, shown
from backup_engine.cli.retention_tables import plan_table, report_table
from backup_engine.copies.reaching import GONE
from backup_engine.deployment import Deployment
from backup_engine.errors import LeaseHeld, PruningRefused
from backup_engine.model import system_clock
from backup_engine.pruning.executing import prune as carry_out
from backup_engine.pruning.pinning import pin_backup, unpin_backup
from backup_engine.pruning.planning import plan_pruning
from backup_engine.pruning.report import PruningReport
from backup_engine.pruning.site import Site, site_of
from backup_engine.retention.plan import RetentionPlan
from backup_engine.retention.policy import Policy, Slots
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import read_identity

_NOT_NOW = (PruningRefused, LeaseHeld, *GONE)
"""Reasons of one place: the others are pruned all the same, and what was done there is told."""

UntilOption = Annotated[
    str,
    typer.Option("--until", metavar="DATE", help="The last day it stays, like 2027-12-31, or an instant with a zone."),
]
WhyOption = Annotated[str, typer.Option("--why", metavar="TEXT", help="Kept with the backup, for who asks later.")]
PolicyOption = Annotated[
    Slots | None,
    typer.Option(
        "--policy",
        metavar="SLOTS",
        parser=slots,
        help="With --store: days, weeks and months that keep a full, like 30d/12w/12m, which is the default. A "
        "deployment's are those of deployments.yaml.",
    ),
]


class _Wanted(NamedTuple):
    dry_run: bool
    yes: bool
    approve: bool
    as_json: bool


def prune(
    store: StoreOption = None,
    deployment: DeploymentOption = None,
    policy: PolicyOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what stays and what would go; touch nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before deleting what is due.")] = False,
    approve: Annotated[
        bool, typer.Option("--approve", help="Agree to what a person has to agree to: read the questions first.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete what the retention lets go of, and show what stays and why. A deployment's copies come after its primary,
    each by its own policy. Exit code 1 if a place could not be pruned.
    """
    wanted = _Wanted(dry_run, yes, approve, as_json)
    done, problems = [], list[str]()
    for where, site in _sites(store, deployment, policy, problems.append):
        try:
            done.append(_pruned(site, wanted))
        except _NOT_NOW as error:
            problems.append(f"{where}: {type(error).__name__}: {error}")
    if as_json:
        first, *copies = [_document(*one) for one in done] or [{}]
        emit({**first, "dry_run": dry_run, "copies": copies, "problems": problems}, "", as_json=True)
    for problem in problems:
        say(problem)
    if problems:
        raise typer.Exit(1)


def pin(
    name: BackupArgument,
    until: UntilOption,
    why: WhyOption,
    store: StoreOption = None,
    deployment: DeploymentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a backup, and all it hangs on, until a day has passed, whatever the retention says. Copies keep it too, as
    soon as they were synchronised.
    """
    opened = primary_of(store, deployment)
    backup = Catalog(opened, system_clock).find(name)
    record = pin_backup(
        opened, backup, until=_instant(until), why=why, by=getuser(), clock=system_clock, token=new_token()
    )
    facts = {"backup": backup.name, "pinned until": wording.moment(record.until), "because": record.why}
    emit({"name": backup.name, **record.model_dump(mode="json")}, tables.pairs(facts), as_json=as_json)


def unpin(
    name: BackupArgument, store: StoreOption = None, deployment: DeploymentOption = None, as_json: JsonOption = False
) -> None:
    """Take a backup's pin off: the retention decides about it again."""
    opened = primary_of(store, deployment)
    backup = Catalog(opened, system_clock).find(name)
    record = unpin_backup(opened, backup, by=getuser(), clock=system_clock, token=new_token())
    facts = {"backup": backup.name, "pinned": "no more"}
    emit({"name": backup.name, **record.model_dump(mode="json")}, tables.pairs(facts), as_json=as_json)


def _sites(
    store: str | None, deployment: str | None, policy: Slots | None, problem: Callable[[str], None]
) -> Iterator[tuple[str, Site]]:
    """Give what is to be pruned, the primary first; the copies are described when the primary is done."""
    if deployment is None:
        opened = primary_of(store, deployment)
        yield opened.url, Site(store=opened, policy=Policy(slots=policy or Slots()))
        return
    if policy is not None or store is not None:
        raise typer.BadParameter("a deployment's store and policy are those of deployments.yaml", param_hint="--policy")
    found = find_deployment(deployment)
    stores = _answering(found, problem)
    for root in (one for one in found.roots if one in stores):
        yield shown(root), site_of(found, root, stores)


def _answering(deployment: Deployment, problem: Callable[[str], None]) -> Mapping[str, Store]:
    stores: dict[str, Store] = {}
    for root in deployment.roots:
        try:
            opened = open_root(root)
            read_identity(opened)
        except GONE as error:
            problem(f"{shown(root)} is gone, and nothing is deleted there: {error}")
        else:
            stores[root] = opened
    return stores


def _pruned(site: Site, wanted: _Wanted) -> tuple[RetentionPlan, PruningReport | None]:
    plan = plan_pruning(site, system_clock, trust_index=wanted.dry_run)
    if not wanted.as_json:
        emit({}, plan_table(plan), as_json=False)
    if wanted.dry_run:
        return plan, None
    agreed = _agreed(plan, wanted)
    report = carry_out(
        plan, site, system_clock, by=owner(), token=new_token(), approved_by=getuser() if agreed else None
    )
    if not wanted.as_json:
        emit({}, report_table(report), as_json=False)
    return plan, report


def _agreed(plan: RetentionPlan, wanted: _Wanted) -> bool:
    """Ask what has to be asked; tell whether somebody agreed to the questions.

    :raises PruningRefused: nobody did
    """
    if plan.questions and not wanted.approve:
        asked = "; ".join(plan.questions)
        if wanted.yes or wanted.as_json or not os.isatty(0):
            raise PruningRefused(f"nothing was deleted; a person has to agree first, with --approve: {asked}")
        confirm_or_refuse(f"{plan.store}: {asked}\nLet them go?", yes=False)
        return True
    if plan.delete:
        what = f"{wording.count(len(plan.delete), 'backup')}, {wording.size(plan.freed_bytes)}"
        confirm_or_refuse(f"Delete {what} from {plan.store}?", yes=wanted.yes or wanted.approve)
    return bool(plan.questions)


def _document(plan: RetentionPlan, report: PruningReport | None) -> dict[str, object]:
    said = plan.model_dump(mode="json")
    return {
        **said,
        "bytes": {"kept": plan.kept_bytes, "freed": plan.freed_bytes},
        "report": report.model_dump(mode="json") if report else None,
    }


def _instant(text: str) -> datetime:
    """Read a day, of which the whole is meant, or an instant with its zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no day like 2027-12-31", param_hint="--until") from error
    if len(text) == len("2027-12-31"):
        return moment.replace(hour=23, minute=59, second=59, tzinfo=UTC)
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} names no time zone; write 2027-12-31T12:00:00Z", param_hint="--until")
    return moment


COMMANDS: Mapping[str, Callable[..., None]] = {"prune": prune, "pin": pin, "unpin": unpin}
