"""An oracle: an independent implementation of the data contract in plain Python."""
