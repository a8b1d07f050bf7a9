"""One file per time-series database, each passing the same tests."""
