"""The code in a session's process: the interpreter, and the outputs of its statements."""
