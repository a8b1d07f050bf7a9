"""Filling: emptyings found in levels, what is learned of places, and the levels expected of them."""
