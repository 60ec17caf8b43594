"""Looks at the Airflow of this process: configuration, provider, plugin, connections, stores, DAGs, alerts.

Reads the metadata database, which tasks may not; this runs as a command, beside `airflow` itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from airflow import plugins_manager
from airflow.models import DagModel
from airflow.models.errors import ParseImportError
from airflow.sdk import Connection, conf
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from backup_engine.deployment import Deployment
from backup_engine.deployments import CONFIG_VARIABLE, configuration_path, load_deployments
from backup_engine.errors import BackupError, ConfigurationError, StoreNotInitialised
from backup_engine.findings import Finding, Level
from backup_engine.storage.identity import read_identity
from vectorizer_backup.alert_checks import check_alerts
from vectorizer_backup.connecting import open_root
from vectorizer_backup.dag_defaults import RESTORE, WATCH, dag_id, purposes, url_of
from vectorizer_backup.hooks.vectorizer import VectorizerHook
from vectorizer_backup.provider import CONNECTION_TYPE

_PLUGIN = "vectorizer_backup"


def check_airflow(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Look at everything, the deployments one by one."""
    # As `airflow connections test` does it (3.3): without this, connections of the metadata database are not found.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    path = configuration_path(environment)
    loaded = load_deployments(path)
    yield Finding(Level.OK, "configuration", f"{path}: {', '.join(sorted(loaded.deployments)) or 'no deployment'}")
    for name, problem in sorted(loaded.problems.items()):
        yield Finding(Level.MISSING, f"deployment {name}", problem, f"correct {path} ({CONFIG_VARIABLE} names another)")
    yield check_provider()
    yield from check_plugin()
    for deployment in loaded.deployments.values():
        yield from check_deployment(deployment)
    yield from check_dags(loaded.deployments.values())
    yield from check_alerts(loaded)


def check_provider() -> Finding:
    """Look whether Airflow knows the connection type."""
    if ProvidersManagerTaskRuntime().hooks.get(CONNECTION_TYPE) is not None:  # type: ignore[no-untyped-call]
        return Finding(Level.OK, "provider", "Airflow knows the connection type Vectorizer")
    remedy = (
        "install vectorizer-backup into the Python of every Airflow component (pip install), not only onto PYTHONPATH, "
        "and restart them"
    )
    return Finding(Level.MISSING, "provider", "Airflow does not know the connection type Vectorizer", remedy)


def check_plugin() -> Iterator[Finding]:
    """Look whether the plugins folder is the right one, and imports."""
    plugins_manager.ensure_plugins_loaded()
    folder = conf.get("core", "plugins_folder")
    if any(plugin["name"] == _PLUGIN for plugin in plugins_manager.get_plugin_info(["name"])):
        yield Finding(Level.OK, "plugin", f"loaded from {folder}")
    else:
        remedy = "let [core] plugins_folder name this repository's plugins/, or copy vectorizer_backup_plugin.py there"
        yield Finding(Level.MISSING, "plugin", f"{folder} holds no {_PLUGIN} plugin", remedy)
    for file, error in plugins_manager.get_import_errors().items():
        remedy = "every package below the plugins folder has to stand in plugins/.airflowignore"
        yield Finding(Level.MISSING, "plugin", f"{file}: {error}", remedy)


def check_deployment(deployment: Deployment) -> Iterator[Finding]:
    """Look at a deployment's connections, its server and its store."""
    own, standby = deployment.server.connection, [deployment.standby.connection] if deployment.standby else []
    for connection in dict.fromkeys([own, *deployment.restore.targets, *standby]):
        yield check_connection(deployment, connection)
    for root in deployment.roots:
        yield check_store(deployment, root)
    for warning in deployment.warnings:
        yield Finding(Level.NOTE, f"deployment {deployment.name}", warning)


def check_connection(deployment: Deployment, connection: str) -> Finding:
    """Look whether a connection is there, and whether its server answers."""
    what = f"connection {connection}"
    try:
        Connection.get(connection)
    except AirflowNotFoundException:
        url = deployment.server.url
        remedy = f"airflow connections add {connection} --conn-type {CONNECTION_TYPE} --conn-host {url} …"
        return Finding(Level.MISSING, what, f"not there; deployment {deployment.name} needs it", remedy)
    works, told = VectorizerHook(connection).test_connection()
    if works:
        return Finding(Level.OK, what, told)
    return Finding(Level.MISSING, what, told, "correct the connection, or start the server")


def check_store(deployment: Deployment, root: str) -> Finding:
    """Look whether a store was made, for this deployment, and is seen from here; `store check` looks deeper."""
    where = url_of(root)
    what = f"store of {deployment.name}" if root == deployment.root else f"copy of {deployment.name} in {where}"
    try:
        identity = read_identity(open_root(root))
    except ConfigurationError as error:
        return Finding(Level.MISSING, what, str(error), "name a bucket in deployments.yaml, or add ?shared=yes")
    except StoreNotInitialised as error:
        remedy = f"vectorizer-backup store init '{root}' --deployment {deployment.name}"
        return Finding(Level.MISSING, what, f"{type(error).__name__}: {error}", remedy)
    except BackupError as error:
        remedy = f"correct the address or its connection; vectorizer-backup store check '{root}' tries everything"
        return Finding(Level.MISSING, what, f"{type(error).__name__}: {error}", remedy)
    if identity.deployment != deployment.name:
        entry = "`store`" if root == deployment.root else "`copies`"
        return Finding(Level.MISSING, what, f"{where} is the store of {identity.deployment}", f"correct {entry}")
    return Finding(Level.OK, what, f"{where}, id {identity.store_id}")


def check_dags(deployments: Iterable[Deployment]) -> Iterator[Finding]:
    """Look whether Airflow has the DAGs, and whether they run."""
    wanted = [(dag_id(one.name, purpose), purpose) for one in deployments for purpose in purposes(one)]
    wanted.append((WATCH, WATCH))
    try:
        with create_session() as session:
            known = {dag.dag_id: dag for dag in session.scalars(select(DagModel).where(~DagModel.is_stale))}
            errors = {str(one.filename): str(one.stacktrace) for one in session.scalars(select(ParseImportError))}
    except SQLAlchemyError as error:
        remedy = "run `airflow db migrate`; check [database] sql_alchemy_conn"
        yield Finding(Level.MISSING, "database", f"cannot be read: {type(error).__name__}", remedy)
        return
    folder = conf.get("core", "dags_folder")
    for name, purpose in wanted:
        yield _dag_finding(name, known.get(name), folder, by_hand=purpose == RESTORE)
    for file, stacktrace in sorted(errors.items()):
        last = stacktrace.strip().splitlines()[-1] if stacktrace.strip() else "no message"
        yield Finding(Level.MISSING, f"DAG file {file}", last, "`airflow dags list-import-errors` shows all of it")


def _dag_finding(name: str, dag: DagModel | None, folder: str, *, by_hand: bool) -> Finding:
    what = f"DAG {name}"
    if dag is None:
        remedy = "let [core] dags_folder name this repository's dags/ and start the dag-processor"
        return Finding(Level.MISSING, what, f"not among the DAGs of {folder}", remedy)
    if dag.is_paused and name == WATCH:
        found = "paused: nobody hears of what goes wrong, and no heartbeat is sent"
        return Finding(Level.MISSING, what, found, f"airflow dags unpause {name}")
    if dag.is_paused and not by_hand:
        return Finding(Level.NOTE, what, "paused: nothing runs by itself", f"airflow dags unpause {name}")
    return Finding(Level.OK, what, "there")
