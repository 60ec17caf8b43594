"""What a backup is on disk: parts, codes, digests, entries, manifest (docs/format.md)."""
