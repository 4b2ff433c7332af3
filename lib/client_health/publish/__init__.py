"""The published table: files, branches, record, and maintenance."""
