"""The steps of backing up, verifying and restoring."""
