"""Reads structures of Thrift's compact protocol, in which Parquet describes its pages.

PyArrow decodes columns and shows some fields of the footer, but no page as it is stored: an unused
value of a dictionary, or the place of a bloom filter, can't be seen through it.

Notes
-----
Rule: "Thrift Compact protocol encoding" in the documentation of Apache Thrift.
"""

from __future__ import annotations

import struct
from typing import Any

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_LONG_LIST = 15


class Reader:
    """Reads values one after the other.

    Parameters
    ----------
    content
        The bytes.
    position
        Where to begin.

    Attributes
    ----------
    position
        Where the next value begins.
    """

    def __init__(self, content: bytes | memoryview, position: int = 0) -> None:
        self._content = content
        self.position = position

    def struct(self) -> dict[int, Any]:
        """Return a structure's fields by number.

        Raises
        ------
        ValueError
            The bytes are no structure.
        """
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            number = number + step if step else self._integer()
            fields[number] = kind == _TRUE if kind in {_TRUE, _FALSE} else self._value(kind)
        return fields

    def _value(self, kind: int) -> Any:  # noqa: ANN401 - as described by the content
        read = {
            **dict.fromkeys((_TRUE, _FALSE, _BYTE), self._byte),
            **dict.fromkeys((_I16, _I32, _I64), self._integer),
            _DOUBLE: lambda: struct.unpack("<d", self._bytes(8))[0],
            _BINARY: lambda: self._bytes(self._varint()),
            **dict.fromkeys((_LIST, _SET), self._list),
            _MAP: self._map,
            _STRUCT: self.struct,
        }
        if kind not in read:
            raise ValueError(f"no type {kind} in Thrift")
        return read[kind]()

    def _list(self) -> list[Any]:
        head = self._byte()
        count = self._varint() if head >> 4 == _LONG_LIST else head >> 4
        return [self._value(head & 15) for _ in range(count)]

    def _map(self) -> list[tuple[Any, Any]]:
        count = self._varint()
        kinds = self._byte() if count else 0
        return [(self._value(kinds >> 4), self._value(kinds & 15)) for _ in range(count)]

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, count: int) -> bytes:
        found = bytes(self._content[self.position : self.position + count])
        if len(found) < count:
            raise ValueError("a structure ends too early")
        self.position += count
        return found

    def _varint(self) -> int:
        result = shift = 0
        while True:
            byte = self._byte()
            result |= (byte & 127) << shift
            if byte < 128:
                return result
            shift += 7

    def _integer(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)
