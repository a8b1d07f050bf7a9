"""Lights: commands and profiles sent, overrides of groups, energy shown."""
