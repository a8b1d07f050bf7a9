"""The migrations, one file per step; a published one never changes."""
