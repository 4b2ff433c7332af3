"""The published table: its files, its branches, its record, its upkeep."""
