"""``vectorizer-backup retention …``."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ByteSize
from rich.console import Console

from backup_engine.archive.manifest import BackupKind
from backup_engine.catalog import Catalog
from backup_engine.cli.context import find_deployment
from backup_engine.cli.options import JsonOption, byte_size, slots
from backup_engine.cli.output import emit, say
from backup_engine.cli.places import store_to_read
from backup_engine.cli.retention_tables import simulation_table
from backup_engine.model import system_clock
from backup_engine.retention.policy import Slots
from backup_engine.retention.settings import RetentionSettings
from backup_engine.retention.simulation import Course, simulate
from backup_engine.tiers import TIERS, Tier

_YEAR = timedelta(days=365)
_FULL, _INCREMENT = ByteSize(1_000_000_000), ByteSize(10_000_000)
_WIDTH = 120  # columns of the picture

SizeOption = Annotated[ByteSize | None, typer.Option(metavar="SIZE", parser=byte_size, help="Like 2GB or 300MB.")]

app = typer.Typer(no_args_is_help=True, help="How long backups are kept.")


@app.callback()
def group() -> None:
    """Look what a retention comes to."""


@app.command("simulate")
def simulate_retention(
    policy: Annotated[
        Slots | None,
        typer.Option(
            "--policy", metavar="SLOTS", parser=slots, help="Days, weeks and months that keep a full, like 30d/12w/12m."
        ),
    ] = None,
    years: Annotated[int, typer.Option(min=1, max=20, help="How long it goes on.")] = 3,
    deployment: Annotated[
        str | None,
        typer.Option("--deployment", metavar="NAME", help="Take schedules, policy and the sizes of backups from it."),
    ] = None,
    tier: Annotated[Tier, typer.Option(help="Whose schedules, where no deployment is given.")] = Tier.PRODUCTION,
    full_size: SizeOption = None,
    increment_size: SizeOption = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", dir_okay=False, help="Keep the table as a picture, too.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a policy comes to before trusting it: how many backups, how many bytes, and which points in time one
    could still reach. The planner is the real one; the backups are made up as the schedules would make them.
    """
    found = find_deployment(deployment) if deployment is not None else None
    terms, settings = (found.terms, found.retention) if found else (TIERS[tier], RetentionSettings())
    kept = settings.policy(found.tier if found else tier)
    full, increment = _sizes(deployment, full_size, increment_size)
    end = system_clock().replace(hour=0, minute=0, second=0, microsecond=0)
    course = Course(
        policy=kept.model_copy(update={"slots": policy}) if policy else kept,
        full=terms.full,
        incremental=terms.incremental,
        full_bytes=full,
        increment_bytes=increment,
        begin=end - years * _YEAR,
        end=end,
    )
    simulation = simulate(course)
    shown = simulation_table(simulation)
    emit(simulation.model_dump(mode="json"), shown, as_json=as_json)
    if svg is not None:
        with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
            console = Console(record=True, width=_WIDTH, file=nowhere)
            console.print(shown)
        svg.write_text(console.export_svg(title=f"retention {simulation.slots}"), encoding="utf-8")
        say(f"the picture is in {svg}")


def _sizes(deployment: str | None, full: ByteSize | None, increment: ByteSize | None) -> tuple[int, int]:
    """Give the sizes that were named; else those of the newest of each kind; else one gigabyte, and a hundredth."""
    backups = Catalog(store_to_read(None, deployment), system_clock).backups() if deployment is not None else ()
    newest = {one.kind: one.bytes for one in reversed([one for one in backups if one.good_whole])}
    return (
        int(full or newest.get(BackupKind.FULL, _FULL)),
        int(increment or newest.get(BackupKind.INCREMENTAL, _INCREMENT)),
    )
