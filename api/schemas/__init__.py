"""What goes in and out over HTTP, one file per resource; converted from and to the nouns of `core`."""
