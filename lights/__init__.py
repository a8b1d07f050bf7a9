"""Light control; pure: schedules, presence and overrides to the wanted level of each lamp."""
