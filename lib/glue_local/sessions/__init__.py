"""Sessions: their arguments, states, and statements."""
