"""Sessions: what they are created with, their state, and their statements."""
