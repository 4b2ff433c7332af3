"""Library of the client register, which the three notebooks call in the Spark session."""

from register_contract import contract

__all__ = ["contract"]
__version__ = "0.2.0"
