"""Who may read what: a class for each column and table, and the classes of each kind of reader.

On AWS, the classes are the values of an LF-Tag. Template, contract file, and documents read this
module, or a test compares them with it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from register_contract import tables
from register_contract.columns import COLUMNS, Column

#: Key of the LF-Tag.
TAG = "dado"


class DataClass(str, enum.Enum):
    """What a column's published values say about a person.

    Parameters
    ----------
    meaning : str
        In English, as the contract's file has it.
    """

    meaning: str

    def __new__(cls, name: str, meaning: str = "") -> DataClass:
        """Create a member that equals its name and has its meaning."""
        found = str.__new__(cls, name)
        found._value_ = name
        found.meaning = meaning
        return found

    PUBLIC = ("publico", "not personal")
    MASKED = ("mascarado", "personal, masked")
    # Without the key nobody can tell whose it is, but it singles out a person.
    PSEUDONYM = ("pseudonimo", "pseudonymous")
    PERSONAL = ("pessoal", "personal")


#: The classes that each kind of reader may read: analysts have no need for persons.
GRANTS: Mapping[str, tuple[DataClass, ...]] = MappingProxyType(
    {
        "Analyst": (DataClass.PUBLIC, DataClass.MASKED),
        "Reader": (
            DataClass.PUBLIC,
            DataClass.MASKED,
            DataClass.PSEUDONYM,
            DataClass.PERSONAL,
        ),
        "Steward": tuple(DataClass),
    }
)


#: Tables whose columns all have one class, by name.
TABLES: Mapping[str, DataClass] = MappingProxyType(
    {table.name: DataClass.PUBLIC for table in tables.WITHOUT_PERSONS}
)


def class_of(column: Column) -> DataClass:
    """Return the class of a column."""
    if column.name == "id":
        return DataClass.PSEUDONYM
    if column.masked:
        return DataClass.MASKED
    return DataClass.PERSONAL if column.personal else DataClass.PUBLIC


def columns_of(data_class: DataClass, columns: Sequence[Column] = COLUMNS) -> tuple[str, ...]:
    """Return the names of a class's columns, in the table's order."""
    return tuple(column.name for column in columns if class_of(column) is data_class)
