"""Loads a package's public names on first use, so that importing the package stays fast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def on_first_use(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return a package's ``__getattr__`` (PEP 562).

    Parameters
    ----------
    package : str
        The package's name, for its error.
    homes : mapping of str to str
        The module of each public name; a name may be that of its module.
    """

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = import_module(homes[name])
        # A public name is a module, or a name in one.
        return home if home.__name__.endswith(f".{name}") else getattr(home, name)

    return get
