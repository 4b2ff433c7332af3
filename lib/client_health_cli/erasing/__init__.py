"""Erasing people from a lake: whom, where they are, and the proof that they are gone."""
