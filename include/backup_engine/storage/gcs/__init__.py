"""Backups in Google Cloud Storage."""
