"""Shared by the tests: replacements for the outside world, and checks of results."""

import subprocess
from collections.abc import Callable

#: Calls ``client-health`` with its arguments.
Command = Callable[..., subprocess.CompletedProcess[str]]
