"""The keeping process: decodes, stores, judges, runs the jobs."""
