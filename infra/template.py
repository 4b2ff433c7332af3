"""The CloudFormation template as data, and the part of it that a place can deploy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from infra.errors import SettingsError

Node = Any
Template = dict[str, Any]

_PLAIN = frozenset({"Ref", "Condition"})
# Properties that a resource can omit if the resource that they name isn't supported.
_OPTIONAL = frozenset({"CrawlerSecurityConfiguration", "SecurityConfiguration"})
_IN_TEXT = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[A-Za-z0-9.]+)?\}")


class _Loader(yaml.CSafeLoader):
    """YAML loader with CloudFormation's short tags, and without dates, which templates don't have.

    It uses libyaml, which is in PyYAML's wheels and eight times as fast.
    """


def _short_tag(loader: _Loader, suffix: str, node: yaml.Node) -> Node:
    if isinstance(node, yaml.ScalarNode):
        text = loader.construct_scalar(node)
        value: Node = str(text).split(".", 1) if suffix == "GetAtt" else text
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise yaml.constructor.ConstructorError(None, None, f"!{suffix} has no value", None)
    return {suffix if suffix in _PLAIN else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_tag)
_Loader.yaml_implicit_resolvers = {
    first: [entry for entry in entries if entry[0] != "tag:yaml.org,2002:timestamp"]
    for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_template(text: str) -> Template:
    """Return a template from YAML or JSON, with short tags as their full functions.

    Raises
    ------
    SettingsError
        The text is not a template.
    """
    try:
        found = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader with our own tags
    except yaml.YAMLError as error:
        raise SettingsError(f"the template is not valid YAML: {error}") from error
    if not isinstance(found, dict) or "Resources" not in found:
        raise SettingsError("the template has no Resources")
    return found


def render(template: Template) -> str:
    """Return a template as JSON for CloudFormation, whose YAML doesn't support aliases."""
    return json.dumps(template, separators=(",", ":"))


def without_marks(template: Template) -> Template:
    """Return a deployed template as it was before the SAM CLI added its name to each resource."""

    def plain(resource: Node) -> Node:
        own = {k: v for k, v in resource.get("Metadata", {}).items() if k != "SamResourceId"}
        rest = {key: value for key, value in resource.items() if key != "Metadata"}
        return {**rest, "Metadata": own} if own else rest

    resources = {name: plain(resource) for name, resource in template["Resources"].items()}
    return {**template, "Resources": resources}


@dataclass(frozen=True)
class Skipped:
    """A resource or output that is left out, and the reason."""

    name: str
    type: str
    reason: str


@dataclass(frozen=True)
class Deployable:
    """A template without what a place does not support."""

    template: Template
    skipped: tuple[Skipped, ...]


def deployable(template: Template, unsupported: Mapping[str, str]) -> Deployable:
    """Return a template without the resources that a place does not support.

    A resource that refers to one of them is left out as well, unless only the reference can be
    removed: an entry of a list (an alarm's actions, a policy's resources), a security
    configuration, a policy's statement, or an order of creation.

    Parameters
    ----------
    template
        As :func:`load_template` returns it; not changed.
    unsupported
        Why a type is not supported, by its name (``AWS::Athena::WorkGroup``).

    Returns
    -------
    Deployable
    """
    resources: dict[str, Node] = dict(template["Resources"])
    skipped: list[Skipped] = []

    def leave_out(name: str, reason: str) -> None:
        skipped.append(Skipped(name, str(resources[name]["Type"]), reason))
        del resources[name]

    for name in [name for name in resources if resources[name]["Type"] in unsupported]:
        leave_out(name, unsupported[resources[name]["Type"]])
    before = -1
    while before != len(skipped):
        before = len(skipped)
        gone = frozenset(entry.name for entry in skipped)
        for name in list(resources):
            resources[name] = _without(resources[name], gone)
            needed = sorted(set(references(resources[name])) & gone)
            if needed:
                leave_out(name, f"it refers to {', '.join(needed)}")
    gone = frozenset(entry.name for entry in skipped)
    outputs = dict(template.get("Outputs", {}))
    for name in list(outputs):
        needed = sorted(set(references(outputs[name])) & gone)
        if needed:
            del outputs[name]
            skipped.append(Skipped(name, "Output", f"it refers to {', '.join(needed)}"))
    return Deployable(
        {**template, "Resources": resources, "Outputs": outputs}
        if outputs
        else {**{k: v for k, v in template.items() if k != "Outputs"}, "Resources": resources},
        tuple(skipped),
    )


def references(node: Node) -> Iterator[str]:
    """Yield what a part of a template refers to: resources, parameters, pseudo parameters."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref":
                yield str(value)
            elif key == "Fn::GetAtt":
                yield str(value[0] if isinstance(value, list) else value).split(".", 1)[0]
            elif key == "Fn::Sub":
                yield from _references_of_text(value)
            elif key == "DependsOn":
                yield from [value] if isinstance(value, str) else value
            else:
                yield from references(value)


def _references_of_text(value: Node) -> Iterator[str]:
    text, given = value if isinstance(value, list) else (value, {})
    yield from (name for name in _IN_TEXT.findall(str(text)) if name not in given)
    yield from references(given)


def _without(node: Node, gone: frozenset[str]) -> Node:
    """Return a node without removable references: list entries, statements, orders of creation."""
    if isinstance(node, list):
        kept = [_without(item, gone) for item in node if not _is_lost(item, gone)]
        return [item for item in kept if not _is_hollow(item)]
    if not isinstance(node, dict):
        return node
    result = {}
    for key, value in node.items():
        if key == "DependsOn":
            names = [value] if isinstance(value, str) else value
            kept_names = [name for name in names if name not in gone]
            if kept_names:
                result[key] = kept_names
        elif key in _OPTIONAL and _is_lost(value, gone):
            continue
        elif key.startswith("Fn::") or key == "Ref":
            result[key] = value
        else:
            result[key] = _without(value, gone)
    return result


def _is_lost(item: Node, gone: frozenset[str]) -> bool:
    """Return whether an entry refers to a removed resource, or is a statement only for it."""
    if not isinstance(item, dict):
        return False
    if len(item) == 1 and next(iter(item)) in {"Ref", "Fn::GetAtt", "Fn::Sub", "Fn::Join"}:
        return bool(set(references(item)) & gone)
    if "Effect" in item:
        named = item.get("Resource")
        return not isinstance(named, list) and _is_lost(named, gone)
    return False


def _is_hollow(item: Node) -> bool:
    """Return whether a statement has no resource left."""
    return isinstance(item, dict) and "Effect" in item and item.get("Resource") == []
