"""Keeping: readings (time series) and state (devices, alerts, commands, plans, rejected messages)."""
