"""Pruning: deleting what the retention lets go of, so that at every instant what is left can be restored."""
