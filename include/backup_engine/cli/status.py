"""``vectorizer-backup status``: how well every deployment is protected now, and what is wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from backup_engine.cli import standing
from backup_engine.cli.options import JsonOption
from backup_engine.cli.output import emit
from backup_engine.cli.places import open_root
from backup_engine.deployment import Deployment
from backup_engine.deployments import Loaded, configuration_path, load_deployments
from backup_engine.errors import ConfigurationError
from backup_engine.freshness.concerns import Concern, Severity
from backup_engine.freshness.configured import configuration_concerns
from backup_engine.freshness.judgement import Judgement
from backup_engine.freshness.judging import judge
from backup_engine.freshness.metrics import exposition, write_metrics_file
from backup_engine.freshness.observing import observe
from backup_engine.model import system_clock
from backup_engine.vectorizer.credentials import from_environment
from backup_engine.vectorizer.server import VectorizerServer, connect
from backup_engine.vectorizer.settings import ClientSettings

_AT_ONCE = 8  # one that does not answer keeps nobody else waiting
_HASTE = 30.0  # seconds for one try


def status(
    deployment: Annotated[
        list[str] | None,
        typer.Option("--deployment", metavar="NAME", help="Only this deployment; may be given again."),
    ] = None,
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Print metrics in Prometheus' text format instead.")
    ] = False,
    metrics_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the metrics to this file too, in one step: for the text file collector of Prometheus' node "
            "exporter, which reads names that end with .prom.",
            dir_okay=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge how well every deployment is protected now. Exit code 1 when anybody should be warned of something."""
    if prometheus and as_json:
        raise typer.BadParameter("give either --json or --prometheus", param_hint="--prometheus")
    path = configuration_path(os.environ)
    loaded = load_deployments(path)
    unjudged = _chosen(configuration_concerns(loaded), deployment)
    judgements = judged(_wanted(loaded, deployment, path))
    text = exposition(judgements, unjudged=unjudged)
    if metrics_file is not None:
        write_metrics_file(metrics_file, text)
    if prometheus:
        sys.stdout.write(text)
    else:
        emit(_document(judgements, unjudged), standing.table_of(judgements, unjudged), as_json=as_json)
    if not _well(judgements, unjudged.values()):
        raise typer.Exit(1)


def judged(deployments: Iterable[Deployment]) -> list[Judgement]:
    """Look at several deployments at the same time, and judge what was seen."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return [*pool.map(_judged, deployments)]


def _judged(deployment: Deployment) -> Judgement:
    sighting = observe(deployment, open_root, lambda: _server(deployment), system_clock)
    return judge(deployment, sighting)


def _server(deployment: Deployment) -> VectorizerServer:
    """Reach the server for one look that a person waits for."""
    limits = ClientSettings(read_timeout=_HASTE, deadline=_HASTE, attempts=1)
    return connect(deployment.server.url, from_environment(os.environ), limits)


def _wanted(loaded: Loaded, names: list[str] | None, path: Path) -> list[Deployment]:
    there = loaded.deployments
    strange = sorted(set(names or ()) - {*there, *loaded.problems})
    if strange:
        known = ", ".join(sorted({*there, *loaded.problems})) or "none"
        raise ConfigurationError(f"{path} has no deployment {', '.join(map(repr, strange))}; it has: {known}")
    return [there[name] for name in sorted(names or there) if name in there]


def _chosen(concerns: Mapping[str, Concern], names: list[str] | None) -> dict[str, Concern]:
    """Choose those about the deployments that are asked for; what is about the whole file is about them too."""
    return {name: one for name, one in concerns.items() if not names or not name or name in names}


def _document(judgements: Iterable[Judgement], unjudged: Mapping[str, Concern]) -> dict[str, object]:
    return {
        "well": _well(judgements, unjudged.values()),
        "deployments": {one.protection.deployment: one.model_dump(mode="json") for one in judgements},
        "not_judged": {name: one.model_dump(mode="json") for name, one in unjudged.items()},
    }


def _well(judgements: Iterable[Judgement], unjudged: Iterable[Concern]) -> bool:
    bad = [one for one in unjudged if one.severity is not Severity.NOTE]
    return not bad and all(one.well for one in judgements)


COMMANDS: dict[str, Callable[..., None]] = {"status": status}
