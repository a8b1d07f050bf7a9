"""Notifications: made of alert events and delivered."""
