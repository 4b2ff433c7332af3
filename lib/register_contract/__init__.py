"""What session, runner, job and reconciler must agree on, in the standard library alone.

Valid from Python 3.9 on: the Lambda and the Python Shell job carry it as it is.
"""

__version__ = "0.2.0"
