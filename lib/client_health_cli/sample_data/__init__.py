"""Synthetic deliveries: the three source files of a day, with their quirks and faults.

Every value is a pure function of the seed and of the row's number, so the files don't depend on
the size of a batch, and any number of rows needs the same memory.
"""

from client_health_cli.sample_data.settings import DEFAULT_DEFECTS, SampleSettings
from client_health_cli.sample_data.writer import SampleFile, write

__all__ = ["DEFAULT_DEFECTS", "SampleFile", "SampleSettings", "write"]
