"""A local AWS Glue Interactive Sessions service."""

__version__ = "0.1.0"
