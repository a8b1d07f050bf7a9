"""Region files: municipalities, streets, places; data only."""
