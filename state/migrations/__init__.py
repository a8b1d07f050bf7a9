"""Alembic migrations of the state database: one file per step in `versions`, of the form of `script.py.mako`.

A published step never changes and spells out its types; a test compares what the steps make with `state.tables`.
"""
