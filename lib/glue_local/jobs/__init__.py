"""Job runs, as AWS Glue's Python Shell runs them."""
