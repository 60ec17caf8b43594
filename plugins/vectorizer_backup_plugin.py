"""Registers with Airflow what a package cannot register by itself; everything else comes from the provider."""

from airflow.plugins_manager import AirflowPlugin

from vectorizer_backup.links import BackupPlaceLink, RestoreFormLink


class VectorizerBackupPlugin(AirflowPlugin):
    """Links on task instances."""

    name = "vectorizer_backup"
    operator_extra_links = [RestoreFormLink(), BackupPlaceLink()]
