"""Doing: send a command, raise an alert, request and plan a pickup."""
