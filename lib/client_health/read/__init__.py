"""From the files of a delivery to typed rows."""
