"""What the pipeline costs, beside the first version's way and beside the limit: `make bench`."""
