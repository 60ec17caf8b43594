"""Telling people, once: whom, what is wrong, since when, and what to do."""
