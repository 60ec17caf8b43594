"""Synthetic fulls: what a chain comes to, stored whole, made inside the store and without the server."""

from backup_engine.synthesis.deciding import why_costly
from backup_engine.synthesis.making import Synthesized, synthesize

__all__ = ["Synthesized", "synthesize", "why_costly"]
