"""A plan on paper and for other programs: printable sheets, GPX, GeoJSON, CSV."""
