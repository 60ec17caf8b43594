"""Where backups lie: the contract in words, and its implementations."""
