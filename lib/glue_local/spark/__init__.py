"""Spark's driver: jars, class archive, settings, and start."""
