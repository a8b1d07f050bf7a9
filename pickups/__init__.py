"""Pickup planning; pure: levels to forecast to stops to routes."""
