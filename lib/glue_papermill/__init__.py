"""Strict papermill runs on AWS Glue Interactive Sessions."""

__version__ = "0.2.0"
