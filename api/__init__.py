"""The program that serves the REST API."""
