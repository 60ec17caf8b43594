"""Connections to a Vectorizer."""
