"""Judging; pure: readings to alert changes."""
