"""Reads the files of a delivery into typed rows."""
