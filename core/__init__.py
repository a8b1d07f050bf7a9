"""Nouns and shared edges of Kreispuls; imports none of our other packages."""
