"""Backtest: the same days under several policies."""
