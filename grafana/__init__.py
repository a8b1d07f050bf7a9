"""Grafana: its provisioning, its dashboards, and the code that builds them."""
