"""A run of the register: its delivery, its stages with their receipts, its record."""

__version__ = "0.2.0"
