"""What session, runner, job, and reconciler must agree on.

It needs only the standard library and Python 3.9 or later: the Lambda function and the Python Shell
job include it unchanged.
"""

__version__ = "0.2.0"
