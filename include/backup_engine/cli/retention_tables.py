"""Retention as tables a person can read."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType

from backup_engine import wording
from backup_engine.cli.output import table
from backup_engine.pruning.report import PruningReport
from backup_engine.retention.plan import RetentionPlan
from backup_engine.retention.simulation import Sample, Simulation

_BAR = 48  # columns
_LINES = 40  # of a plot


def plan_table(plan: RetentionPlan) -> RenderableType:
    """Show what stays and why, what goes and by which rule, what nobody touches, and what has to be asked."""
    parts: list[RenderableType] = [f"{plan.store} ({plan.deployment})", ""]
    parts += [_kept(plan), ""] if plan.keep else []
    parts += [_going(plan), ""] if plan.delete else []
    parts += [_strange(plan), ""] if plan.quarantine else []
    return Group(*parts, *_sums(plan))


def report_table(report: PruningReport) -> RenderableType:
    """Say what was done."""
    gone = wording.count(len(report.deleted), "backup")
    lines = [f"{report.store}: {gone} deleted, {wording.size(report.freed_bytes)} freed; {report.kept:,} stay."]
    lines += [f"spared {one.name}: {one.reason}" for one in report.spared]
    if report.swept:
        swept = wording.count(report.swept, "object")
        lines.append(f"cleared away: {swept} that dead runs had left, {wording.size(report.swept_bytes)}")
    return Group(*lines)


def simulation_table(simulation: Simulation) -> RenderableType:
    """Show how much there would be, month by month, and how far back one could reach how finely."""
    most, last = simulation.most, simulation.samples[-1]
    plot = table("", "backups#", "fulls#", "size#", f"bytes, up to {wording.size(most.bytes)}")
    for sample in _spread(simulation):
        bar = "█" * max(1, round(_BAR * sample.bytes / max(1, most.bytes)))
        plot.add_row(
            f"{sample.at:%Y-%m-%d}", f"{sample.backups:,}", f"{sample.fulls:,}", wording.size(sample.bytes), bar
        )
    reach = table("how long ago", "points in time#", "at most apart")
    for band in simulation.bands:
        gap = wording.duration(band.largest_gap) if band.largest_gap is not None else ""
        reach.add_row(band.age, f"{band.points:,}", gap)
    sums = (
        f"{simulation.slots}: {last.backups:,} backups ({last.fulls:,} fulls), {wording.size(last.bytes)} in the end; "
        f"the oldest is {wording.duration(simulation.oldest)} old."
    )
    return Group(plot, "", reach, "", sums)


def _spread(simulation: Simulation) -> Iterator[Sample]:
    """Give as many samples as are read at a glance, the last one with them."""
    every = max(1, -(-len(simulation.samples) // _LINES))
    yield from simulation.samples[:-1][::every]
    yield simulation.samples[-1]


def _kept(plan: RetentionPlan) -> RenderableType:
    shown = table("kept", "captured", "size#", "because")
    for one in plan.keep:
        shown.add_row(
            f"{one.folder}/{one.name}", wording.moment(one.captured_at), wording.size(one.bytes), "; ".join(one.reasons)
        )
    return shown


def _going(plan: RetentionPlan) -> RenderableType:
    shown = table("goes", "captured", "size#", "by the rule")
    for one in plan.delete:
        why = f"{one.reason}. {one.asks}" if one.asks else one.reason
        shown.add_row(f"{one.folder}/{one.name}", wording.moment(one.captured_at), wording.size(one.bytes), why)
    return shown


def _strange(plan: RetentionPlan) -> RenderableType:
    shown = table("left alone", "because")
    for one in plan.quarantine:
        shown.add_row(one.key, one.reason)
    return shown


def _sums(plan: RetentionPlan) -> Iterator[str]:
    kept, gone = wording.count(len(plan.keep), "backup"), wording.count(len(plan.delete), "backup")
    yield f"{kept}, {wording.size(plan.kept_bytes)} stay; {gone}, {wording.size(plan.freed_bytes)} go."
    if plan.anchor is not None:
        yield f"Ages are counted back from the newest good backup, captured {wording.moment(plan.anchor)}."
    for question in plan.questions:
        yield f"To be agreed to: {question}"
