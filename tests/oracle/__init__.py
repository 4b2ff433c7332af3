"""An oracle: the data contract read a second time, in plain Python that shares no code with it."""
