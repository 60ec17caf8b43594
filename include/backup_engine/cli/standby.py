"""``vectorizer-backup standby status|apply|compare|failover|rejoin``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown

from backup_engine.cli.context import confirm_or_refuse, find_deployment, owner, server_of
from backup_engine.cli.options import JsonOption, KeyFileOption
from backup_engine.cli.output import ProgressLines, emit, fail, say
from backup_engine.cli.places import open_root, store_to_read
from backup_engine.deployment import Deployment, StandbySettings
from backup_engine.errors import ComparisonFailed, ConfigurationError
from backup_engine.model import system_clock
from backup_engine.standby import comparing
from backup_engine.standby.applying import apply_newest, preview
from backup_engine.standby.description import (
    describe_applied,
    describe_comparison,
    describe_failover,
    describe_plan,
    describe_status,
)
from backup_engine.standby.failover import plan_failover
from backup_engine.standby.failover import promote as promote_standby
from backup_engine.standby.party import Party
from backup_engine.standby.rejoining import plan_rejoin
from backup_engine.standby.rejoining import rejoin as rejoin_standby
from backup_engine.standby.state import standby_id
from backup_engine.standby.status import status_of

app = typer.Typer(no_args_is_help=True, help="A second server that every backup is brought to.")

NameOption = Annotated[
    str, typer.Option("--deployment", metavar="NAME", help="A deployment of deployments.yaml that names a standby.")
]
RepairOption = Annotated[
    bool, typer.Option("--repair", help="Replace what somebody else made or changed on the standby.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the plan and touch nothing.")]
PromoteOption = Annotated[
    bool,
    typer.Option("--promote", help="Note that the standby is in use from now on: nothing is brought to it any more."),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Go on without asking.")]


@app.command()
def status(deployment: NameOption, as_json: JsonOption = False) -> None:
    """Show what the standby holds and how far behind it is, as the store knows it; the standby is not asked."""
    settings = _settings(find_deployment(deployment))
    found = status_of(store_to_read(None, deployment), standby_id(settings.connection), system_clock)
    emit(found.model_dump(mode="json"), Markdown(describe_status(found)), as_json=as_json)


@app.command()
def apply(
    deployment: NameOption,
    repair: RepairOption = False,
    dry_run: DryRunOption = False,
    api_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the standby to the newest good backup: what changed is written, what is gone deleted, the rest kept."""
    party = _party(deployment, api_key_file)
    if dry_run:
        plan = preview(party, repair=repair)
        emit(plan.model_dump(mode="json"), Markdown(describe_plan(plan)), as_json=as_json)
        return
    applied = apply_newest(party, repair=repair)
    emit(applied.model_dump(mode="json"), Markdown(describe_applied(applied)), as_json=as_json)


@app.command()
def compare(deployment: NameOption, api_key_file: KeyFileOption = None, as_json: JsonOption = False) -> None:
    """Read all that the standby holds and compare every record with the backup it was brought to."""
    found = comparing.compare_whole(_party(deployment, api_key_file))
    emit(found.model_dump(mode="json"), Markdown(describe_comparison(found)), as_json=as_json)
    try:
        comparing.require_equal(found)
    except ComparisonFailed as error:
        fail(error)


@app.command()
def failover(
    deployment: NameOption,
    promote: PromoteOption = False,
    yes: YesOption = False,
    api_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the standby lacks, what is in the way, and what to do to go over to it."""
    settings = _settings(find_deployment(deployment))
    server = server_of(settings.url, None, api_key_file)
    store = store_to_read(None, deployment)
    plan = plan_failover(store, standby_id(settings.connection), server, system_clock)
    document = plan.model_dump(mode="json")
    if promote:
        say(describe_failover(plan))
        confirm_or_refuse(f"Take {plan.standby_url} into use?", yes=yes)
        promoted = promote_standby(_party(deployment, api_key_file))
        document["status"]["known"] = promoted.model_dump(mode="json")
    emit(document, Markdown(describe_failover(plan)), as_json=as_json)


@app.command()
def rejoin(
    deployment: NameOption,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    api_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a server with other contents, the old first one after a failover, the standby: what differs is replaced."""
    party = _party(deployment, api_key_file)
    plan = plan_rejoin(party)
    if dry_run:
        emit(plan.model_dump(mode="json"), Markdown(describe_plan(plan)), as_json=as_json)
        return
    plan.require_possible()
    say(describe_plan(plan))
    confirm_or_refuse(f"Replace what {plan.server_url} holds with {plan.backup}?", yes=yes)
    applied = rejoin_standby(party)
    emit(applied.model_dump(mode="json"), Markdown(describe_applied(applied)), as_json=as_json)


def _settings(deployment: Deployment) -> StandbySettings:
    if deployment.standby is None:
        raise ConfigurationError(
            f"deployment {deployment.name!r} names no standby: its entry needs `standby: {{connection: …, url: …}}`"
        )
    return deployment.standby


def _party(name: str, api_key_file: Path | None) -> Party:
    deployment = find_deployment(name)
    settings = _settings(deployment)
    return Party(
        store=open_root(deployment.root),
        server=server_of(settings.url, None, api_key_file),
        standby=standby_id(settings.connection),
        deployment=name,
        clock=system_clock,
        owner=owner(),
        progress=ProgressLines(),
    )
