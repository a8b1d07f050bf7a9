"""Routes: a day's problem, the search for its tours, their times, and the check of every plan."""
