"""Both stores in one archive, and back."""
