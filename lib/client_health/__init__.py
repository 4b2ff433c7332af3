"""Domain library of the client register: what the three notebooks call inside the Spark session."""

from register_contract import contract

__all__ = ["contract"]
__version__ = "0.2.0"
