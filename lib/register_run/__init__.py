"""A run of the register: its delivery, stages, receipts, and record."""

__version__ = "0.2.0"
