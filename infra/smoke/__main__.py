"""The command behind `make smoke`: ``python -m infra.smoke``; only reads options and reports."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.prompt import Confirm

from infra.errors import DeployError, SettingsError
from infra.smoke import places, report
from infra.smoke.checks import Result, State
from infra.smoke.removal import Removal
from infra.smoke.run import need, refuse, run
from infra.smoke.table import ROWS, outcome
from infra.smoke.trial import Trial

ESTIMATE = """This deploys a whole chain, runs it twice, and removes it again.
  time: about an hour, most of it waiting for Glue; nobody has measured it on AWS yet
  cost: about 1 US dollar: three sessions of 3 G.1X for up to 15 minutes each (1.00), two crawls of
  at least 10 minutes (0.30), and cents for the rest; a key and a secret cost by the hour
Use an account that has nothing else in it."""
_REHEARSED = " (on the emulator: a rehearsal, which settles none of them)"
_FAILED, _UNREACHED = 1, 4


def smoke(
    *,
    region: Annotated[str, typer.Option(help="The region (default: the credentials').")] = "",
    prefix: Annotated[
        str, typer.Option(metavar="NAME-", help="Start of all names; never empty.")
    ] = "smoke-",
    keep: Annotated[bool, typer.Option("--keep", help="Remove nothing at the end.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Only remove what an earlier run left.")
    ] = False,
    emulator: Annotated[
        bool, typer.Option("--emulator", help="Use the emulator, not an account.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("data/smoke"),
) -> None:
    """Check on a throwaway account what no emulator can show.

    Exit codes: 0 all checks passed or were skipped; 1 a check failed, something remains, or you
    declined; 2 usage; 4 AWS can't be reached.
    """
    need(prefix)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    with tempfile.TemporaryDirectory(prefix="smoke-") as name:
        folder, note = Path(name), console.print
        if emulator:
            entered = places.on_the_emulator(prefix, folder, note)
        else:
            entered = places.on_aws(prefix, region, folder, note)
        with entered as trial:
            caller = _caller(trial)
            refuse(trial)
            where = trial.chain.client("s3").meta.region_name
            console.print(f"prefix {prefix}, region {where}")
            if trial.marker.exists():
                console.print(
                    f"there is a stack {trial.marker.name}: what a smoke run left is removed "
                    "first, so no other may be running"
                )
            if not (yes or emulator or _agrees(console)):
                console.print("stopped, nothing was made")
                raise typer.Exit(_FAILED)
            _remove_earlier(trial)
            if remove:
                return
            started = time.monotonic()
            results = run(trial, keep=keep, told=_teller(console))
            header = report.Header(
                where,
                "emulator" if emulator else "AWS",
                time.monotonic() - started,
                report.caller_names(caller),
            )
            written = report.write(out, header, results)
            _tell(console, results, written, rehearsed=emulator)
            if any(result.state is State.FAIL for result in results):
                _show_log(console, folder / "deploy.log", header)
                raise typer.Exit(_FAILED)


def _agrees(console: Console) -> bool:
    console.print(ESTIMATE)
    try:
        return Confirm.ask("Go on?", console=console, default=False)
    except EOFError:
        console.print("there is no terminal for an answer: use --yes (YES=1) to agree")
        return False


def _caller(trial: Trial) -> str:
    arn = str(trial.chain.client("sts").get_caller_identity()["Arn"])
    # The emulator knows only the root of its account.
    if arn.endswith(":root") and not trial.differences:
        raise SettingsError("the account's root can't assume roles: use a user or a role of IAM")
    return arn


def _remove_earlier(trial: Trial) -> None:
    if not trial.marker.exists():
        return
    left = Removal(trial).remove()
    if left:
        raise DeployError(f"an earlier run left what can't be removed: {'; '.join(left)}")


def _teller(console: Console) -> Callable[[Result], None]:
    def told(result: Result) -> None:
        console.print(f"{result.state:7} {result.id} ({result.seconds:.0f} s): {result.words}")

    return told


def _tell(
    console: Console, results: list[Result], written: tuple[Path, Path], *, rehearsed: bool
) -> None:
    by_id = {result.id: result for result in results}
    console.print(f"\nRows of docs/deploy.md, 'Never run on AWS'{_REHEARSED if rehearsed else ''}:")
    for row in ROWS:
        state, words = outcome(row, by_id)
        console.print(f"{state:7} {row.part}: {words}")
    console.print("\nreport, without account numbers: " + ", ".join(map(str, written)))


def _show_log(console: Console, log: Path, header: report.Header) -> None:
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    failed = [line for line in lines if "FAILED" in line]
    for line in failed[:10]:
        console.print(report.masked(line, header.names))


def main() -> None:
    """Run the command and end the process."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        typer.run(smoke)
    except DeployError as error:
        typer.echo(f"smoke: {error}", err=True)
        sys.exit(error.exit_code)
    except (BotoCoreError, ClientError) as error:
        typer.echo(
            f"smoke: AWS refuses or can't be reached: {error}\n"
            "Check the credentials (AWS_PROFILE), the region, and the network.",
            err=True,
        )
        sys.exit(_UNREACHED)


if __name__ == "__main__":
    main()
