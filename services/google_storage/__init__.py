"""A small Google Cloud Storage for tests: the part of the JSON API a backup store needs, with the promises Google
documents and the packaged emulators do not keep: preconditions on every kind of write and on delete, generations,
checksums that are refused when wrong, resumable sessions that can be asked how far they are, permissions.

Written from the documentation, not from the real server: what holds here is likely there, and proved nowhere.
"""
