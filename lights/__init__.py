"""Light control; pure: presence and overrides to the wanted level of each lamp."""
