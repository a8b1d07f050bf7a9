"""Readings in one SQLite file."""
