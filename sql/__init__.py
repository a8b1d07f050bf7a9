"""Relational databases: engines, transactions, column types, pages."""
