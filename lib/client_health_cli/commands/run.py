"""`client-health run`: publish a delivery."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from client_health_cli.errors import ClientHealthCliError, RunFailedError
from register_contract.runs import EXIT_SESSION


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("run")(run)


def run(  # noqa: PLR0917 - one for each option
    lake: Annotated[str, typer.Option(help="Where to publish: a folder or an s3:// prefix.")],
    raw: Annotated[str, typer.Option(help="A folder with the three sources.")] = "",
    parquet: Annotated[str, typer.Option(help="The Parquet source: a file or folder.")] = "",
    csv: Annotated[str, typer.Option(help="The CSV source: a file or folder.")] = "",
    json: Annotated[str, typer.Option(help="The JSON lines source: a file or folder.")] = "",
    run_id: Annotated[
        str | None,
        typer.Option(help="Name of the run (default: made from the delivery's content)."),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="Later dates are in the future (default: the newest file's day)."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Start the run over, even if it is published.")
    ] = False,
    accept_volume_change: Annotated[
        bool,
        typer.Option(
            "--accept-volume-change",
            help="Publish even if the number of rows is far from the last publication's.",
        ),
    ] = False,
    accept_older: Annotated[
        bool,
        typer.Option(
            "--accept-older",
            help="Publish even if a later day's delivery is published.",
        ),
    ] = False,
    accept_drift: Annotated[
        bool,
        typer.Option(
            "--accept-drift",
            help="Publish even if categories or missing values are far from their usual shares.",
        ),
    ] = False,
    keep_staging: Annotated[
        bool,
        typer.Option(
            "--keep-staging",
            help="Keep the run's staging files, with unmasked rows, after it is published.",
        ),
    ] = False,
    sessions: Annotated[
        str,
        typer.Option(metavar="local|aws|URL", help="Where Interactive Sessions are created."),
    ] = "local",
    id_key: Annotated[
        str,
        typer.Option(
            metavar="FILE|SECRET",
            help="The key for ids: a file, a secret's ARN, or secretsmanager:NAME (default: the"
            " user's own file, created on first use).",
        ),
    ] = "",
    previous_id_key: Annotated[
        str,
        typer.Option(
            metavar="FILE|SECRET",
            help="The key that the table was published with, if the ids are to change.",
        ),
    ] = "",
    rules: Annotated[
        str,
        typer.Option(metavar="FILE", help="The rules file (default: rules.yaml in the lake)."),
    ] = "",
    notebooks: Annotated[
        Path | None, typer.Option(help="Folder of the three notebooks, if not ./notebooks.")
    ] = None,
    alert_url_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A file with the URL of a Slack or Teams webhook, which is told if the run fails"
            " or has warnings (default: the variable CLIENT_HEALTH_ALERT_URL).",
        ),
    ] = None,
    alert_format: Annotated[
        str,
        typer.Option(
            metavar="slack|teams", help="What the webhook takes (default: its host decides)."
        ),
    ] = "",
) -> None:
    """Run the three notebooks on a delivery and publish the table.

    A run is named by its input: the same command again continues where the last one stopped, or
    reports that the run is already published. Progress goes to standard error, the summary to
    standard output, and the executed notebooks to the lake.

    Example: client-health run --raw data/raw --lake data/lake

    Exit codes: 0 published (now or before); 2 usage, or input that can't be used; 3 a quality
    gate stopped the run and nothing was published; 4 a session, statement, or service failed;
    1 the code of a notebook raised an error.
    """
    from rich.console import Console  # noqa: PLC0415 - these slow the start of every command

    from client_health_cli import pipeline  # noqa: PLC0415
    from client_health_cli.alert_url import channels  # noqa: PLC0415
    from client_health_cli.listeners import listening  # noqa: PLC0415
    from client_health_cli.notebooks import notebooks_folder  # noqa: PLC0415
    from client_health_cli.summary import print_summary  # noqa: PLC0415
    from register_run import Terminated, alerting, run_pipeline  # noqa: PLC0415
    from strict_glue import StrictGlueError, unwinding  # noqa: PLC0415

    asked = pipeline.Asked(
        lake=lake,
        notebooks=notebooks_folder(notebooks),
        raw=raw,
        sources={"parquet": parquet, "csv": csv, "json": json},
        run_id=run_id,
        as_of=as_of,
        force=force,
        accept_volume_change=accept_volume_change,
        accept_older=accept_older,
        accept_drift=accept_drift,
        keep_staging=keep_staging,
        sessions=sessions,
        id_key=id_key,
        previous_id_key=previous_id_key,
        rules=rules,
    )
    asked.check()
    told = channels(alert_url_file, alert_format)
    try:
        with (
            listening(Console(stderr=True)) as progress,
            # Around all that is cleaned up, so that people are told when it is done.
            alerting.alerting(progress, told, ClientHealthCliError) as listener,
            unwinding(signal.SIGTERM, signal.SIGHUP, raising=lambda _: SystemExit(EXIT_SESSION)),
        ):
            # Unlike an option, it can turn bad without anybody at the command: people are told.
            asked.check_rules()
            request = pipeline.request(asked)
            with (
                pipeline.looked_at(request) as delivery,
                pipeline.session_settings(sessions, lake) as settings,
            ):
                found = replace(request, session=settings, delivery=delivery())
                outcome = run_pipeline(found, listener)
    except StrictGlueError as error:
        raise RunFailedError(str(error), error.exit_code) from error
    except (KeyboardInterrupt, Terminated):
        typer.echo(
            "client-health: the run and its session were stopped from outside; run again to "
            "continue after the last finished stage",
            err=True,
        )
        raise typer.Exit(EXIT_SESSION) from None
    print_summary(Console(), outcome, lake)
