"""The command `kreispuls`."""
