"""From options to a server: which address, whose credentials."""

from __future__ import annotations

import os
import socket
from getpass import getuser
from pathlib import Path
from uuid import uuid4

import typer

from backup_engine.deployment import Deployment
from backup_engine.deployments import configuration_path, load_deployments
from backup_engine.errors import ConfigurationError, InvalidInput
from backup_engine.model import ReadWay
from backup_engine.vectorizer.credentials import Credentials, from_environment
from backup_engine.vectorizer.server import VectorizerServer, connect
from backup_engine.vectorizer.settings import ClientSettings


def find_deployment(name: str) -> Deployment:
    """Look a deployment up in the configuration file.

    :raises ConfigurationError: it is not there, or its entry is invalid
    """
    path = configuration_path(os.environ)
    loaded = load_deployments(path)
    if name in loaded.problems:
        raise ConfigurationError(f"{path}: {loaded.problems[name]}")
    if name not in loaded.deployments:
        known = ", ".join(sorted(loaded.deployments)) or "none"
        raise ConfigurationError(f"{path} has no deployment {name!r}; it has: {known}")
    return loaded.deployments[name]


def server_of(
    server: str | None, deployment: str | None, key_file: Path | None, read_with: str | None = None
) -> VectorizerServer:
    """Reach the server that the options name, one way or the other.

    :param read_with: a way to read, or "auto"; None: as the deployment says
    """
    if server is None and deployment is None:
        raise typer.BadParameter("give --server URL or --deployment NAME", param_hint="--server")
    terms = find_deployment(str(deployment)).server if deployment is not None else None
    url = server if server is not None else str(terms and terms.url)
    said = terms.read_with if terms and read_with is None else None
    chosen = said if read_with in {None, "auto"} else ReadWay(str(read_with))
    return connect(url, _credentials(key_file), ClientSettings(read_with=chosen))


def _credentials(key_file: Path | None) -> Credentials:
    if key_file is None:
        return from_environment(os.environ)
    return Credentials(api_key=key_file.read_text(encoding="utf-8").strip())


def confirm_or_refuse(question: str, *, yes: bool) -> None:
    """Ask on the terminal; without one, ``--yes`` must have been given.

    :raises InvalidInput: there is no terminal, and no ``--yes``
    :raises typer.Abort: the person said no
    """
    if yes:
        return
    if not os.isatty(0):
        raise InvalidInput(f"{question} There is no terminal to ask on: give --yes to go on.")
    typer.confirm(question, abort=True, err=True)


def new_token() -> str:
    """Make an id that nobody else has."""
    return uuid4().hex


def owner() -> str:
    """Say who holds a lease: person, machine, process."""
    return f"{getuser()}@{socket.gethostname()} pid {os.getpid()}"
