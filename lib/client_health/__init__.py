"""Domain library of the client register: what the three notebooks call inside the Spark session."""

__version__ = "0.2.0"
