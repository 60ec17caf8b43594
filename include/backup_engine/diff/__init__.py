"""Time travel: what differs between two states, and when a record changed."""
