"""Checks of a session that a notebook's role starts: its library, and its workers' access."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from infra.smoke import delivering
from infra.smoke.checks import expect
from infra.smoke.reading import must_be_denied
from infra.smoke.trial import Trial
from infra.studio import SESSIONS, TAG
from register_run.storage import s3_parts
from strict_glue import Limits, Session, SessionSettings, session_request

_NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "01_ingest.ipynb"
# In a worker, as the stages do it: the library's own file system, with the credentials of the host.
_COPY = """
import json, socket
from client_health import spark_session
spark_session.configure(spark)
def copied(pairs):
    import hashlib, socket
    import polars
    from client_health import storage
    for source, target in pairs:
        system, path = storage.place(source)
        with system.open_input_file(path) as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        with system.open_output_stream(storage.place(target)[1]) as file:
            file.write(digest.encode())
        yield polars.__version__, digest, socket.gethostname()
pairs = [{pair!r}]
(found,) = spark.sparkContext.parallelize(pairs, 1).mapPartitions(copied).collect()
print(json.dumps([*found[:2], found[2] == socket.gethostname()]))
"""


def session_worker(trial: Trial) -> str:
    """Start a session as a notebook does; its worker reads a delivery and writes to the lake."""
    source = delivering.copy_of_a_delivery(trial)
    target = f"{trial.chain.lake}/staging/smoke/copied"
    session = _started(trial)
    try:
        session.wait_until_ready()
        text = session.run_own(_COPY.format(pair=(source, target)))
    finally:
        session.stop()
    version, digest, same_host = json.loads(text)
    bucket, key = s3_parts(source)
    content = trial.chain.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    expect(
        digest == hashlib.sha256(content).hexdigest(), "the worker read other bytes than are there"
    )
    written = trial.chain.read(target).decode()
    expect(written == digest, f"{target} has {len(written)} characters, not what the worker wrote")
    where = "the driver's host" if same_host else "another host than the driver's"
    return f"a worker on {where} read a delivery and wrote staging, with Polars {version}"


def notebook_role(trial: Trial) -> str:
    """Try, as a notebook's role, what only the job may do."""
    clients = trial.acting(trial.marker.outputs()["NotebookRoleArn"])
    glue = clients("glue")
    role = trial.chain.outputs["SessionRoleArn"]
    must_be_denied(
        "a session without the notebooks' tag",
        lambda: glue.create_session(
            Id=f"{trial.names.own}not-a-notebook",
            Role=role,
            Command={"Name": "glueetl", "PythonVersion": "3"},
        ),
    )
    of_the_job = trial.see_sessions()
    expect(of_the_job, "Glue lists no session of the job, expected that of the first run")
    session = str(of_the_job[0]["Id"])
    must_be_denied(
        "a statement in the job's session",
        lambda: glue.run_statement(SessionId=session, Code="1"),
    )
    _, partition, _, _, account, _ = role.split(":", 5)
    place = f"{partition}:glue:{glue.meta.region_name}:{account}"
    must_be_denied(
        "the notebooks' tag on the job's session",
        lambda: glue.tag_resource(
            ResourceArn=f"arn:{place}:session/{session}", TagsToAdd=_tags(trial)
        ),
    )
    bucket, key = s3_parts(delivering.copy_of_a_delivery(trial))
    must_be_denied("a delivery", lambda: clients("s3").get_object(Bucket=bucket, Key=key))
    return "a notebook's role uses only sessions of notebooks, and reads no delivery"


def _tags(trial: Trial) -> dict[str, str]:
    return {TAG: f"{trial.prefix}{SESSIONS}"}


def _started(trial: Trial) -> Session:
    outputs, glue = trial.chain.outputs, trial.chain.client("glue")
    job = glue.get_job(JobName=outputs["JobName"])["Job"]["DefaultArguments"]
    settings = SessionSettings(
        role=outputs["SessionRoleArn"],
        # The role goes by the tag; the removal finds what is left by the start of its id.
        tags=_tags(trial),
        id_prefix=f"{trial.prefix}{SESSIONS}",
        default_arguments={
            "--additional-python-modules": job["--PYTHON_MODULES"],
            "--python-modules-installer-option": "--no-index",
            "--conf": outputs["SessionConf"],
        },
    )
    notebook = json.loads(_NOTEBOOK.read_text(encoding="utf-8"))
    own = session_request.configuration(notebook, _NOTEBOOK.stem)
    wanted = session_request.session_request(own, settings, {}, "r-smoke")
    acting = trial.acting(trial.marker.outputs()["NotebookRoleArn"])
    session = Session.create(acting("glue"), wanted, Limits())
    trial.sessions.add(session.session_id)
    return session
