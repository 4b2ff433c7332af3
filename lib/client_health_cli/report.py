"""A run's executed notebooks as one page: what people are shown who have no access to the lake.

The page has the notebooks' texts, code, and outputs, and nothing that a machine or an exception
adds: no parameters, paths, or tracebacks. For a few rows, the outputs show what
``client_health.display`` doesn't mask: id, health plan, sex, state, and time of registration.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from client_health_cli.commands import history
from client_health_cli.dashboard import html
from client_health_cli.databases import tables_of
from client_health_cli.errors import LakeError, RunFailedError, SettingsError
from client_health_cli.gate_results import Gates, gates_of
from register_contract import contract, runs
from register_run import cost, publication_record, storage
from strict_glue import (
    ConfigurationError,
    KernelDied,
    ServiceError,
    SessionError,
    StageTimeout,
    StrictGlueError,
)

if TYPE_CHECKING:
    from nbformat import NotebookNode

UNKNOWN: Final = "–"
_COUNTS: Final = (
    ("ingested", runs.INGEST, "out"),
    ("rejected", runs.TRANSFORM, "rejected"),
    ("duplicates", runs.TRANSFORM, "duplicates"),
    ("suppressed", runs.QUALITY, "suppressed"),
    ("published", runs.QUALITY, "out"),
)
# Cells that are not the notebook's own: parameters have paths, and papermill's notice says what
# the failed cell says.
_LEFT_OUT: Final = ("parameters", "injected-parameters", "papermill-error-cell-tag")
# Errors whose texts are ours. Another error's text may quote what its code had in hand.
_OWN_WORDS: Final = frozenset(
    {
        *runs.INPUT_ERRORS,
        *runs.GATE_ERRORS,
        *runs.MOVED_ERRORS,
        *(
            kind.reported_as
            for kind in (
                ConfigurationError,
                KernelDied,
                ServiceError,
                SessionError,
                StageTimeout,
            )
        ),
    }
)
#: What the page says of each state of the history.
STATES: Final = {
    "current": "published; it is what readers see",
    "earlier": "published; readers see a later run",
    "expired": "published; its rows have expired",
    "erased": "published; its rows are gone, because people were erased",
    "withdrawn": "published, and withdrawn",
}
# What the notebooks put out beside text: pictures. Other kinds could have markup.
_SHOWN: Final = ("image/png",)
_HEADING: Final = re.compile(r"^(#{1,5} )", re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """A stage's notebook on the page.

    Attributes
    ----------
    stage
        The stage.
    body
        Its notebook as HTML; empty if it has none.
    error
        Name of the error that ended it; empty if there was none.
    finding
        The error's own words; empty if they may not be shown.
    """

    stage: str
    body: str = ""
    error: str = ""
    finding: str = ""


def write(lake: str, run_id: str, price: float | None = None) -> str:
    """Return the page of a run.

    Parameters
    ----------
    lake
        A folder, or an s3:// prefix.
    run_id
        The run.
    price
        Price of a DPU-hour; None for no money on the page.

    Raises
    ------
    SettingsError
        If the text is no run's name.
    LakeError
        If the lake doesn't have the run, or no longer has its notebooks.
    RunFailedError
        If the catalog can't be read.
    """
    if not runs.is_run_id(run_id):
        raise SettingsError(f"{run_id!r} is not a run: `client-health history` lists the runs")
    place = storage.normalise(lake)
    found = _published(place, run_id)
    parts = [_part(place, run_id, stage) for stage in runs.STAGES]
    receipts = {stage: _receipt(place, run_id, stage) for stage in runs.STAGES}
    if not any(part.body for part in parts):
        if found or any(receipts.values()):
            raise LakeError(
                lake,
                f"the notebooks of run {run_id} are no longer in {lake}: its retention, or a "
                "person, has removed them",
            )
        raise LakeError(
            lake,
            f"there is no run {run_id} in {lake}: `client-health history --lake {lake}` lists "
            "the published runs",
        )
    known = next((one for one in receipts.values() if one), {})
    gates = gates_of(lake).get(run_id) if found else None
    return html.render(
        "report.html",
        policy=html.policy(),
        css=html.style("report.css"),
        run_id=run_id,
        facts=[
            *_facts(run_id, found, known, parts, gates),
            ("Cost", _cost(place, run_id, price)),
        ],
        columns=[name for name, _, _ in _COUNTS],
        rows=_rows(receipts),
        parts=parts,
    )


def _facts(
    run_id: str,
    found: Mapping[str, Any],
    receipt: Mapping[str, Any],
    parts: Sequence[Part],
    gates: Gates | None,
) -> list[tuple[str, str]]:
    """Return the names and values at the top of the page."""
    failed = next((part for part in parts if part.error), None)
    if found:
        state = STATES[found["state"]]
    elif failed:
        state = f"failed in {failed.stage}: {failed.error}"
    else:
        state = "not published"
    return [
        ("Run", run_id),
        ("Delivery", receipt.get("delivery_id", UNKNOWN)),
        ("Day", receipt.get("as_of") or found.get("day") or UNKNOWN),
        ("State", state),
        ("Recorded", f"{found['recorded']} UTC" if found.get("recorded") else UNKNOWN),
        ("Gates", _gates(found, failed, gates)),
        ("Library", receipt.get("library_version", UNKNOWN)),
        ("Rules", receipt.get("rules", UNKNOWN)),
    ]


def _cost(lake: str, run_id: str, price: float | None) -> str:
    """Return what sessions and job runs of the run used, and for a price, what that costs."""
    seconds = cost.of_run(lake, run_id)
    if seconds is None:
        return UNKNOWN
    hours = cost.hours(seconds)
    money = "" if price is None else f", {hours * price:.2f} at {price:g} for each"
    return f"{hours:.4f} DPU-hours{money}"


def _gates(found: Mapping[str, Any], failed: Part | None, gates: Gates | None) -> str:
    if found:
        # A published run passed every gate, or a person let it pass those that are named here.
        return gates.described() if gates and gates.accepted else "all passed"
    if failed and failed.error in runs.GATE_ERRORS:
        named = [gate for gate in contract.Gate if f"{gate}:" in failed.finding]
        return f"stopped by {', '.join(named) or 'a gate'}"
    return "not all reached"


def _published(lake: str, run_id: str) -> Mapping[str, Any]:
    """Return the run's newest line of the history; empty if it was never published."""
    tables = tables_of(lake)
    try:
        metadata = publication_record.metadata(lake, tables)
        if metadata is None:
            return {}
        listed = history.rows(publication_record.history(lake, tables), metadata)
    except StrictGlueError as error:
        raise RunFailedError(str(error), error.exit_code) from error
    return next((one for one in listed if one["run"] == run_id), {})


def _receipt(lake: str, run_id: str, stage: str) -> dict[str, Any]:
    body = storage.read_bytes(storage.join(lake, runs.receipt_path(run_id, stage)))
    try:
        receipt = json.loads(body or b"{}")
    except ValueError:
        return {}
    return receipt if isinstance(receipt, dict) and "rows" in receipt else {}


def _rows(receipts: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return the row accounting: a line for each source, and the sum."""
    rows: list[tuple[str, list[str]]] = []
    sums: dict[str, int | None] = {name: 0 for name, _, _ in _COUNTS}
    for source in contract.SOURCE_NAMES:
        counts = []
        for name, stage, member in _COUNTS:
            count = receipts[stage].get("rows", {}).get(source, {}).get(member)
            total = sums[name]
            sums[name] = None if count is None or total is None else total + count
            counts.append(_count(count))
        rows.append((source, counts))
    return [*rows, ("total", [_count(total) for total in sums.values()])]


def _count(count: int | None) -> str:
    return UNKNOWN if count is None else f"{count:,}"


def _part(lake: str, run_id: str, stage: str) -> Part:
    import nbformat  # noqa: PLC0415 - slows the start of every command

    body = storage.read_bytes(storage.join(lake, runs.notebook_path(run_id, stage)))
    if body is None:
        return Part(stage)
    try:
        notebook = nbformat.reads(body.decode(), as_version=4)
    except ValueError:
        return Part(stage)
    error, finding = _shorten(notebook)
    return Part(stage, _body(notebook), error, finding)


def _shorten(notebook: NotebookNode) -> tuple[str, str]:
    """Remove what the page doesn't show; return the error's name, and its words if ours."""
    places = _places(notebook.metadata.get("papermill", {}).get("parameters", {}).values())
    name = finding = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            # The page has its own heading of the first level.
            cell.source = _HEADING.sub(r"#\1", cell.source)
            continue
        kept = []
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                name = output.ename if output.ename.isidentifier() else "an error"
                finding = _shown(output.evalue, places) if name in _OWN_WORDS else ""
                said = finding or "The executed notebook in the lake has the message."
                output.update(ename=name, evalue=said, traceback=[f"{name}: {said}"])
            elif output.output_type == "stream":
                if output.name == "stderr":
                    continue
                output.text = _shown(output.text, places)
            else:
                data = output.data
                output.data = {kind: data[kind] for kind in _SHOWN if kind in data}
                output.metadata = {"image/png": {"alt": "Chart of the numbers in the cells above"}}
            kept.append(output)
        if cell.cell_type == "code":
            cell.outputs = kept
    return name, finding


def _places(values: Iterable[object]) -> list[str]:
    """Return the paths and URIs among a run's parameters, longest first."""
    return sorted((one for one in values if isinstance(one, str) and "/" in one), key=len)[::-1]


def _shown(text: str, places: Sequence[str]) -> str:
    """Replace each path of the machine or account by its last name."""
    for place in places:
        text = text.replace(place, PurePosixPath(place).name)
    return text


def _body(notebook: NotebookNode) -> str:
    """Return a notebook as HTML without a page around it."""
    from markupsafe import Markup  # noqa: PLC0415
    from nbconvert import HTMLExporter  # noqa: PLC0415 - takes a second
    from traitlets.config import Config  # noqa: PLC0415

    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_cell_tags = set(_LEFT_OUT)
    exporter = HTMLExporter(
        config=config,
        template_name="basic",
        exclude_anchor_links=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    body, _ = exporter.from_notebook_node(notebook)
    # The three notebooks have the same headings; what scrolls must be reachable by keyboard.
    body = re.sub(r"(<h\d) id=\"[^\"]*\"", r"\1", body).replace("<pre>", '<pre tabindex="0">')
    return Markup(body)  # noqa: S704 - nbconvert escapes outputs, and the page runs no script
