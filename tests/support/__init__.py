"""What tests share: parts that stand in for the world, and ways to look at what became of it."""

import subprocess
from collections.abc import Callable

#: Calls ``client-health`` with its arguments.
Command = Callable[..., subprocess.CompletedProcess[str]]
