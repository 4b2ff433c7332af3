"""Runs the whole chain on one machine, behind `make e2e`: ``python -m infra.show_chain``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer
from rich.console import Console
from rich.status import Status
from rich.table import Table

from client_health_cli import opened, published_table, query, remote_table, rows_of
from client_health_cli.sample_data import write
from infra.errors import DeployError
from infra.local_chain import ChainError, LocalChain
from infra.terminal import TerminalListener

ROOT = Path(__file__).resolve().parent.parent
QUESTIONS = ("clientes_por_ano", "convenios", "clientes_por_sexo", "estados")
_PATIENCE = 300.0
_KEY_BYTES = 32


def show(
    rows: Annotated[int, typer.Option(help="Rows of each of the three files.")] = 30_000,
    deliveries: Annotated[int, typer.Option(help="Deliveries that are uploaded at once.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the sample data.")] = 7,
) -> None:
    """Deploy to the emulator, upload deliveries, wait for the chain, compare, and query."""
    console = Console(soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="chain-") as name:
        folder = Path(name)
        raws = [folder / f"raw-{number}" for number in range(deliveries)]
        for number, raw in enumerate(raws):
            write(raw, rows, seed + number)
        chain = LocalChain(folder, Quiet(console, yes=True))
        with chain, chain.id_key(key := os.urandom(_KEY_BYTES).hex()):
            seconds = _publish(chain, raws, console)
            console.print(
                f"deliveries: {deliveries} of 3 x {rows:,} rows, published {seconds:.1f} s after"
            )
            console.print("the last upload: event, Lambda, job, session, three notebooks, commit")
            last = chain.claim(chain.claims()[-1])
            local = folder / "lake"
            with Status("the same delivery into a local lake, for comparison", console=console):
                _run_locally(raws[-1], local, last["as_of"], key, folder)
            with chain.at_the_chain():
                _compare(chain.lake, local, console)
                _ask(chain.lake, local, console)
    console.print("\nThe same on AWS: docs/deploy.md")


def _publish(chain: LocalChain, raws: list[Path], console: Console) -> float:
    for number, raw in enumerate(raws):
        # One delivery has fixed names; several have one folder per day.
        group = f"2026-01-{number + 1:02}/" if len(raws) > 1 else ""
        chain.upload({group + path.name: path for path in sorted(raw.glob("dados_*"))})
    started = time.monotonic()
    with Status("the chain does the rest", console=console) as status:
        for claims in chain.looks(_PATIENCE * len(raws)):
            states = [run["JobRunState"].lower() for run in chain.runs()]
            done = sum(bool(claim.end) for claim in claims)
            status.update(
                f"{time.monotonic() - started:.0f} s: {len(claims)} claimed, {done} done, "
                f"job {states[0] if states else 'not started'}"
            )
            if done == len(raws):
                break
    failed = [claim for claim in chain.claims() if claim.end != "published"]
    if failed:
        last = sorted((chain.folder / "jobs").glob("*.log"))
        words = "\n".join(path.read_text(errors="replace")[-1500:] for path in last[-2:])
        raise ChainError(f"not published: {failed}\n{words}")
    return time.monotonic() - started


def _run_locally(raw: Path, lake: Path, as_of: str, key: str, folder: Path) -> None:
    file = folder / "id.key"
    file.write_text(key, encoding="utf-8")
    file.chmod(0o600)
    command = [Path(sys.executable).with_name("client-health"), "run", "--raw", raw]
    command += ["--lake", lake, "--as-of", as_of, "--id-key", file]
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ChainError(f"the local run failed: {done.stderr[-1500:]}")


def published_rows(lake: str) -> pa.Table:
    """Return the published rows of a lake, sorted by id."""
    with opened(lake) as table:
        return table.scan().to_arrow().sort_by("id")


def _compare(remote: str, local: Path, console: Console) -> None:
    ours, theirs = published_rows(remote), published_rows(str(local))
    if not ours.equals(theirs):
        raise ChainError(
            f"the published rows differ from those of a local lake ({ours.num_rows:,} and "
            f"{theirs.num_rows:,}): the same delivery must give the same table"
        )
    location = remote_table(remote).location()
    console.print(f"{ours.num_rows:,} rows in {location}: the same as in a local lake")


def _ask(remote: str, local: Path, console: Console) -> None:
    tables = [published_table(lake) for lake in (remote, str(local))]
    for name in QUESTIONS:
        sql = (ROOT / "queries" / f"{name}.sql").read_text(encoding="utf-8")
        answers = []
        for table in tables:
            with query(table, sql) as answer:
                columns = answer.schema.names
                answers.append([tuple(map(str, row)) for row in rows_of(answer)])
        if answers[0] != answers[1]:
            raise ChainError(f"{name}: the answer differs from that of a local lake")
        shown = Table(*columns, title=f"queries/{name}.sql")
        for row in answers[0]:
            shown.add_row(*row)
        console.print(shown)


class Quiet(TerminalListener):
    """Listener that shows what is left out and created, without each resource's progress."""

    def output(self, line: str) -> None:
        """Show nothing."""

    def planned(self, stack: str, plan: object) -> None:
        """Show the number of changes."""
        self.note(f"{stack}: {len(getattr(plan, 'changes', ()))} resources")


def main() -> None:
    """Run the command and end the process."""
    try:
        typer.run(show)
    except DeployError as error:
        typer.echo(f"e2e: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
