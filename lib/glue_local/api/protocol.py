"""Reads requests and writes answers, using botocore's own model of the API."""

from __future__ import annotations

import json
import re
from collections.abc import Sized
from functools import cached_property
from typing import Any, NoReturn, cast

import botocore.loaders
from botocore.model import (
    ListShape,
    MapShape,
    OperationModel,
    ServiceModel,
    Shape,
    StringShape,
    StructureShape,
)
from botocore.validate import ParamValidator

from glue_local.errors import ApiError

CONTENT_TYPE = "application/x-amz-json-1.1"
_PREFIX = "AWSGlue."
_INTEGER_BITS = {"integer": 32, "long": 64}


class Protocol:
    """Glue's side of the AWS JSON 1.1 protocol."""

    @cached_property
    def _model(self) -> ServiceModel:
        loader = botocore.loaders.Loader()
        return ServiceModel(loader.load_service_model("glue", "service-2"), "glue")

    def operation(self, target: str) -> OperationModel:
        """Return the operation that an ``X-Amz-Target`` names.

        Raises
        ------
        ApiError
            If Glue has no such action.
        """
        action = target.removeprefix(_PREFIX)
        if action == target or action not in self._model.operation_names:
            raise ApiError(
                "UnknownOperationException",
                f"X-Amz-Target is {target[:120]!r}; expected AWSGlue.<Action>.",
            )
        return self._model.operation_model(action)

    def read(self, operation: OperationModel, body: bytes) -> dict[str, Any]:
        """Return the parameters of a request, checked against the model.

        Raises
        ------
        ApiError
            ``SerializationException`` if the body is not a JSON object of Unicode text;
            ``ValidationException``, or ``InvalidInputException`` if the operation has no such
            error, if a parameter is missing, unknown, of a wrong type, or out of bounds.
        """
        try:
            parameters = json.loads(body or b"{}", parse_constant=_no_constant)
            json.dumps(parameters, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise ApiError("SerializationException", "The body is not valid JSON.") from None
        if not isinstance(parameters, dict):
            raise ApiError("SerializationException", "The body is not a JSON object.")
        shape = operation.input_shape
        assert shape is not None  # noqa: S101 - every action of Glue takes parameters
        parameters = {name: value for name, value in parameters.items() if value is not None}
        report = ParamValidator().validate(parameters, shape)
        unknown = [name for name in parameters if name not in shape.members]
        problems = [report.generate_report()] if report.has_errors() else []
        problems += [f"Unknown parameter: {name[:120]!r}" for name in unknown]
        problems = problems or _out_of_bounds(parameters, shape, "")
        if problems:
            declared = {error.name for error in operation.error_shapes}
            code = "ValidationException"
            raise ApiError(
                code if code in declared else "InvalidInputException",
                f"{len(problems)} validation error(s) detected: {'; '.join(problems)}"[:2000],
            )
        return parameters


def _no_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python accepts but JSON does not have."""
    raise ValueError(name)


def _out_of_bounds(value: object, shape: Shape, path: str) -> list[str]:
    """Return the problems that botocore leaves to the service: lengths, patterns, enumerations."""
    problems = []
    limits = shape.metadata
    size = value if isinstance(value, int | float) else len(cast(Sized, value))
    at = f"Value at '{path}' failed to satisfy constraint: Member must"
    if size < limits.get("min", size):
        problems.append(f"{at} be at least {limits['min']}, found {size}")
    bits = _INTEGER_BITS.get(shape.type_name)
    if bits and not -(2 ** (bits - 1)) <= cast(int, value) < 2 ** (bits - 1):
        problems.append(f"{at} be an integer of {bits} bits")
    if size > limits.get("max", size):
        problems.append(f"{at} be at most {limits['max']}, found {size}")
    if isinstance(shape, StringShape) and isinstance(value, str):
        if "pattern" in limits and not _pattern(limits["pattern"]).fullmatch(value):
            problems.append(f"{at} satisfy regular expression pattern: {limits['pattern']}")
        if shape.enum and value not in shape.enum:
            problems.append(f"{at} satisfy enum value set: {', '.join(shape.enum)}")
    elif isinstance(shape, StructureShape) and isinstance(value, dict):
        for name in value.keys() & shape.members.keys():
            problems += _out_of_bounds(value[name], shape.members[name], _join(path, name))
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for item in value:
            problems += _out_of_bounds(item, shape.member, f"{path}.member")
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        for name, member in value.items():
            problems += _out_of_bounds(name, shape.key, f"{path}.key")
            problems += _out_of_bounds(member, shape.value, f"{path}.value")
    return problems


def _join(path: str, name: str) -> str:
    first = name[:1].lower() + name[1:]
    return f"{path}.{first}" if path else first


def _pattern(text: str) -> re.Pattern[str]:
    # Like Java, the model writes characters beyond the basic plane as pairs of surrogates.
    return re.compile(text.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"))
