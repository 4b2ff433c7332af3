"""Strict notebook runs on AWS Glue Interactive Sessions: client, kernel, and papermill engine."""

__version__ = "0.2.0"
