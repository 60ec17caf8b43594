"""What is remembered between two looks, in Airflow Variables: what people were told, and who they are."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from airflow.sdk import Variable
from pydantic import ValidationError

from backup_engine.alerts.ledger import Ledger
from backup_engine.alerts.settings import AlertSettings
from backup_engine.model import Document

if TYPE_CHECKING:
    from backup_engine.alerts.ledger import Incident

LEDGER_VARIABLE = "vectorizer_backup_alerts"
SETTINGS_VARIABLE = "vectorizer_backup_alert_settings"

_log = logging.getLogger(__name__)

D = TypeVar("D", bound=Document)
V = TypeVar("V")


def variable_of(deployment: str) -> str:
    """Name the Variable with a deployment's ledger.

    :param deployment: empty: the one about the configuration itself
    """
    return f"{LEDGER_VARIABLE}_{deployment}" if deployment else LEDGER_VARIABLE


def recall(deployment: str) -> Ledger:
    """Give what is remembered; an empty ledger where there is none, or none that can be read."""
    return _read(variable_of(deployment), Ledger) or Ledger()


def remember(deployment: str, ledger: Ledger) -> None:
    """Keep it in the place of what was remembered."""
    _write(variable_of(deployment), ledger, "Vectorizer backups: what people were told, and is not over")


def remember_changes(deployment: str, seen: Ledger, changed: Ledger) -> None:
    """Keep what was changed of a ledger that was seen some time ago; what others changed meanwhile stays theirs."""
    if seen != changed:
        remember(deployment, merged(seen, changed, recall(deployment)))


def recall_settings() -> AlertSettings | None:
    """Give who was told when that could last be read; None: it never could."""
    return _read(SETTINGS_VARIABLE, AlertSettings)


def remember_settings(settings: AlertSettings) -> None:
    """Keep who is told, for the day on which the configuration cannot be read."""
    if recall_settings() != settings:
        _write(SETTINGS_VARIABLE, settings, "Vectorizer backups: who is told, as the configuration last said")


def merged(seen: Ledger, changed: Ledger, there: Ledger) -> Ledger:
    """Do to the ledger that is there what was done to the one that was seen. Pure."""
    more = {one: count - seen.failures.get(one, 0) for one, count in changed.failures.items()}
    return Ledger(
        incidents=_incidents(seen.incidents, changed.incidents, there.incidents),
        failures={**there.failures, **{one: there.failures.get(one, 0) + count for one, count in more.items()}},
        red=_with_changes(seen.red, changed.red, there.red),
        measures=_with_changes(seen.measures, changed.measures, there.measures),
    )


def _incidents(
    seen: Mapping[str, Incident], changed: Mapping[str, Incident], there: Mapping[str, Incident]
) -> dict[str, Incident]:
    over = seen.keys() - changed.keys()
    return {key: one for key, one in _with_changes(seen, changed, there).items() if key not in over}


def _with_changes(seen: Mapping[str, V], changed: Mapping[str, V], there: Mapping[str, V]) -> dict[str, V]:
    return {**there, **{key: value for key, value in changed.items() if seen.get(key) != value}}


def _read(variable: str, kind: type[D]) -> D | None:
    text = Variable.get(variable, default=None)
    if text is None:
        return None
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        _log.warning(
            "The Variable %s cannot be read (%s of its fields are wrong) and is begun anew: what is wrong now may be "
            "told a second time",
            variable,
            error.error_count(),
        )
        return None


def _write(variable: str, document: Document, description: str) -> None:
    Variable.set(variable, document.model_dump_json(exclude_defaults=True), description=description)
