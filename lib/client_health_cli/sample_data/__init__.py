"""Synthetic deliveries: the three source files of a day, with their quirks and faults.

Columns, formats, file names, and rules are those of the contract; what it leaves open is defined
here. Every value is a pure function of the seed and the row's number, so the files don't depend on
the batch size, and any number of rows needs the same memory.
"""

from client_health_cli.sample_data.defects import (
    DEFAULT_DEFECTS,
    SampleSettings,
    defects_from_text,
)
from client_health_cli.sample_data.delivery_files import SampleFile, write

__all__ = ["DEFAULT_DEFECTS", "SampleFile", "SampleSettings", "defects_from_text", "write"]
