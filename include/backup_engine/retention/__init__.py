"""Retention: which backups are kept, and for what reasons. Pure: nothing here reads a store or a clock."""
