"""Alerts: raised and resolved, rules tried on history."""
