"""Pickups: levels known, days planned and planned again, stops confirmed, months reported."""
