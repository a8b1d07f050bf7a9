"""The program that stands in for a fleet of devices and publishes as the real one would."""
