"""The dashboard: one page of aggregates, readable without a network."""
