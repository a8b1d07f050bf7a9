"""Readings on disk while their store is away."""
