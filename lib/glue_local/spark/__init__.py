"""Spark's driver: its jars, its class archive, its settings, its start."""
