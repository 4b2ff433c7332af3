"""A local AWS Glue Interactive Sessions service."""

__version__ = "0.2.0"
