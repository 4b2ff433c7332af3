"""Cost of the pipeline, compared with the first version and with the limit: `make bench`."""
