"""``%matplot plt``: show the current figure, as sessions of AWS Glue do."""

from __future__ import annotations

import io
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def figure_png(pyplot: ModuleType) -> bytes:
    """Return the current figure as a PNG with nothing but the picture.

    The file names no software version: the same figure gives the same bytes.
    """
    buffer = io.BytesIO()
    pyplot.gcf().savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def register(shell: InteractiveShell) -> None:
    """Add the magic to an IPython shell."""
    from IPython.display import publish_display_data  # noqa: PLC0415

    def matplot(line: str) -> None:
        """Show the current figure of the pyplot module that the line names."""
        name = line.strip() or "plt"
        module = shell.user_ns.get(name)
        if not hasattr(module, "gcf"):
            raise NameError(
                f"%matplot {name}: no pyplot module has that name; "
                "'import matplotlib.pyplot as plt' first."
            )
        publish_display_data({"image/png": figure_png(module)})

    shell.register_magic_function(matplot, "line", "matplot")
