"""Readings in InfluxDB 2."""
