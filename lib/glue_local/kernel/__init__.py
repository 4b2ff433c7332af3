"""Inside a session's process: the interpreter, and what its statements answer."""
