"""The official kernel's magics, but an unusable value is an error.

The official magics print a sentence about an unusable value and continue without it. Here, a magic
that succeeds prints nothing, so that a notebook's outputs are the same in every session.
"""

import contextlib
import io
from typing import TYPE_CHECKING, Optional

from aws_glue_interactive_sessions_kernel.glue_kernel_utils.KernelMagics import KernelMagics
from IPython.core.error import UsageError

from strict_glue.errors import ConfigurationError

if TYPE_CHECKING:
    from strict_glue.kernel import StrictGlueKernel

# Their output is what the user asked for.
_INFORMATIVE = frozenset({"help", "list_sessions", "session_id", "status"})
# Not run by the kernel: the session itself shows pictures.
_OF_THE_SESSION = frozenset({"matplot", "plotly"})


class StrictMagics(KernelMagics):  # type: ignore[misc]
    """Magics that raise errors; the names of the methods are those of the official class."""

    def configure(self, line: Optional[str] = None, cell: Optional[str] = None) -> None:
        """Pass the settings to the kernel, which checks them itself."""
        self.kernel.configure(cell or "")

    def _validate_magic(self) -> None:
        self.kernel.refuse_settings_of_a_running_session()

    def _validate_list(self, line: Optional[str]) -> Optional[str]:
        found: Optional[str] = super()._validate_list(line)
        if found is None:
            raise ConfigurationError(
                f"{line!r} isn't a list of names",
                next_step="separate the names with commas, without spaces inside a name",
            )
        return found

    def _validate_prefix(self, line: Optional[str]) -> bool:
        if not line or not super()._validate_prefix(line):
            raise ConfigurationError(
                f"{line!r} isn't a session id prefix",
                next_step="use only letters, digits, and -/._#",
            )
        return True


def run_leading(kernel: "StrictGlueKernel", code: str) -> str:
    """Run the magics at the start of a cell; return the rest of the code, for the session.

    Raises
    ------
    Exception
        Any error that a magic raises.
    """
    lines = code.splitlines()
    rest = 0
    for number, line in enumerate(lines):
        name, _, value = line.lstrip("%").partition(" ")
        if line.startswith("%%sql"):
            statement: str = kernel._handle_sql_code(lines[number:])
            return statement
        if line.startswith("%%"):
            _run(kernel, name, value, "\n".join(lines[number + 1 :]))
            return ""
        if line.startswith("%") and name not in _OF_THE_SESSION:
            _run(kernel, name, value.strip(), None)
            rest = number + 1
        elif line.strip() and not line.startswith("#"):
            break
    left = lines[rest:]
    has_code = any(line.strip() and not line.startswith("#") for line in left)
    return "\n".join(left) if has_code else ""


def _run(kernel: "StrictGlueKernel", name: str, value: str, body: Optional[str]) -> None:
    kind = "line" if body is None else "cell"
    magic = getattr(kernel.shell, f"find_{kind}_magic")(name)
    if magic is None:
        raise UsageError(f"there is no {kind} magic {name!r}")
    arguments = (value,) if body is None else (value, body)
    if not isinstance(getattr(magic, "__self__", None), KernelMagics):
        getattr(kernel.shell, f"run_{kind}_magic")(name, *arguments)
        return
    with kernel.listening() as heard, contextlib.redirect_stdout(io.StringIO()):
        magic(*arguments)
    if name in _INFORMATIVE and heard:
        kernel.show_text("\n".join(heard))
