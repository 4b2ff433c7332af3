"""What becomes of a row: normalized, judged, given an id, one kept per person."""
