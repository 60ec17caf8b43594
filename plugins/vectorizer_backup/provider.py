"""What Airflow learns about this package from its entry point, before anything else of it is imported."""

from __future__ import annotations

from typing import Any

from backup_engine import PRODUCT_VERSION

CONNECTION_TYPE = "vectorizer"


def get_provider_info() -> dict[str, Any]:
    """Describe the *Vectorizer* connection type, its form and the links on task instances."""
    return {
        "package-name": "vectorizer-backup",
        "name": "Vectorizer",
        "description": "Backups of a Vectorizer that are counted, compared and proved.",
        "versions": [PRODUCT_VERSION],
        "connection-types": [
            {
                "connection-type": CONNECTION_TYPE,
                "hook-class-name": "vectorizer_backup.hooks.vectorizer.VectorizerHook",
                "hook-name": "Vectorizer",
                "ui-field-behaviour": _FORM,
                "conn-fields": _FIELDS,
            }
        ],
        "extra-links": ["vectorizer_backup.links.RestoreFormLink", "vectorizer_backup.links.BackupPlaceLink"],
    }


_FORM: dict[str, Any] = {
    "hidden-fields": ["schema", "port"],
    "relabeling": {"host": "URL", "login": "User name"},
    "placeholders": {
        "host": "https://vectorizer.example.com:15002",
        "login": "empty when an API key is used, or when the server asks for nothing",
    },
}

_FIELDS: dict[str, Any] = {
    "api_key": {
        "label": "API key",
        "description": "Instead of user and password. The server allows a key about 100 requests a minute and answers "
        "401 beyond that: prefer user and password for large servers.",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "verify_tls": {
        "label": "Check the TLS certificate",
        "description": "Leave this on; for a private certificate authority name its file below.",
        "schema": {"type": "boolean", "default": True},
    },
    "ca_bundle": {
        "label": "CA bundle",
        "description": "File with the certificate authorities to trust, on every worker.",
        "schema": {"type": ["string", "null"]},
    },
    "connect_timeout": {
        "label": "Connect timeout (s)",
        "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": 300},
    },
    "read_timeout": {
        "label": "Read timeout (s)",
        "description": "Longest silence within an answer. The server builds a whole page before its first byte.",
        "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": 3600},
    },
}
