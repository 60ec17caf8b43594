"""A second server that is kept as close behind the first as backups come: planned, brought up to date, compared."""
