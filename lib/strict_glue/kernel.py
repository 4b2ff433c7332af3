"""The strict kernel: the official PySpark kernel, without its silent failures.

Every result of a cell other than an available, ok statement is an error in the notebook, with
its original name, message, and traceback. The kernel attaches to the session that the variable
``GLUE_PAPERMILL_SESSION_ID`` names and leaves it running. Without the variable (nbval, VS Code,
JupyterLab), it creates its own session from magics and environment, as the official kernel does,
and stops it when the kernel is shut down or killed.
"""

import base64
import contextlib
import os
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

# Imported before the official kernel, whose import would otherwise point botocore of the whole
# process at another model.
from strict_glue import api
from strict_glue.errors import NEXT, ConfigurationError, StatementError, StrictGlueError
from strict_glue.guard import Guard
from strict_glue.magics import StrictMagics, run_leading
from strict_glue.session import Session, Statement
from strict_glue.session_request import settings_of
from strict_glue.settings import SESSION_VARIABLE, Limits

from aws_glue_interactive_sessions_kernel.glue_kernel_utils.KernelGateway import (  # isort: skip
    KernelGateway,
)
from aws_glue_interactive_sessions_kernel.glue_pyspark.GlueKernel import (  # isort: skip
    GlueKernel,
)

_IDLE_MINUTES = 60


class CodeRaised(Exception):  # noqa: N818 - carries the session's own error
    """The code of a cell raised an error in the session."""

    def __init__(self, output: Mapping[str, Any]) -> None:
        self.ename = output.get("ErrorName") or "Error"
        self.evalue = output.get("ErrorValue") or ""
        super().__init__(self.evalue)
        self.lines = [line.rstrip("\n") for line in output.get("Traceback") or ()]


class _Gateway(KernelGateway):  # type: ignore[misc]
    """The official gateway, with a client that verifies TLS, and without STS and IAM."""

    def initialize_clients(
        self,
        profile: Optional[str] = None,
        region: Optional[str] = None,
        endpoint_url: Optional[str] = None,
        temp_credentials: Optional[Mapping[str, str]] = None,
    ) -> None:
        self.glue_client = api.glue_client(
            endpoint=endpoint_url, region=region, profile=profile, credentials=temp_credentials
        )


class StrictGlueKernel(GlueKernel):  # type: ignore[misc]
    """A Glue PySpark kernel that never hides a failure."""

    implementation = "Strict Glue PySpark"

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.kernel_gateway = _Gateway()
        self._limits = Limits.from_environment(os.environ)
        self._attach_to = os.environ.get(SESSION_VARIABLE, "")
        self._session: Optional[Session] = None
        self._guard: Optional[Guard] = None
        self._configured: dict[str, Any] = {}
        self._heard: Optional[list[str]] = None

    def _set_default_arguments(self) -> None:
        super()._set_default_arguments()
        # As for the runner's sessions: see `session_request.session_request`.
        del self.default_arguments["--enable-glue-datacatalog"]

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: Optional[Mapping[str, str]] = None,
        allow_stdin: bool = False,
    ) -> dict[str, Any]:
        """Run a cell: its magics in the kernel, its code in the session."""
        count = self.shell.execution_count
        if not store_history and (silent or allow_stdin) and self._session is None:
            # Editors run their own statements before the user can configure anything. nbval keeps
            # no history either, but can't answer input requests: its cells must run.
            return _reply("ok", count)
        if store_history:
            self.shell.execution_count += 1
        try:
            rest = run_leading(self, code)
            if rest:
                self._show(self._ready_session().run(rest))
        except CodeRaised as error:
            return self._error(count, error.ename, error.evalue, error.lines)
        except StrictGlueError as error:
            lines = [f"{error.reported_as}: {error.message}", f"{NEXT}{error.next_step}"]
            return self._error(count, error.reported_as, error.message, [*error.traceback, *lines])
        except KeyboardInterrupt:
            return self._error(count, "KeyboardInterrupt", "the statement was cancelled", [])
        except Exception as error:
            # The error is from a magic or from this kernel: the notebook must show where.
            lines = traceback.format_exc().splitlines()
            return self._error(count, type(error).__name__, str(error), lines)
        return _reply("ok", count)

    def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """End the kernel, and the session if the kernel created it."""
        with contextlib.suppress(StrictGlueError):
            self._end_own_session()
        reply: dict[str, Any] = self._do_shutdown(restart)
        return reply

    # -- output of the session -------------------------------------------------------------

    def _show(self, statement: Statement) -> None:
        output = statement.get("Output") or {}
        data = output.get("Data") or {}
        if text := data.get("StdOut") or data.get("TextPlain"):
            self.show_text(text)
        if text := data.get("StdErr"):
            self.show_text(text, "stderr")
        if data.get("MimeType") and data.get("Result"):
            self._show_rich(data["MimeType"], data["Result"])
        if statement["State"] != "AVAILABLE":
            raise StatementError.from_state(statement)
        if output.get("ErrorName"):
            raise CodeRaised(output)
        if output.get("Status") != "ok":
            raise StatementError.incomplete(statement)

    def show_text(self, text: str, stream: str = "stdout") -> None:
        """Show text as one stream output, with a final newline as in the official kernel."""
        content = {"name": stream, "text": text if text.endswith("\n") else f"{text}\n"}
        self.send_response(self.iopub_socket, "stream", content)

    def _show_rich(self, mime: str, result: str) -> None:
        kind, *marks = mime.replace(" ", "").split(";")
        if kind == "text/plain":
            self.show_text(result)
            return
        if "base64" in marks:  # one form, whatever line breaks the service inserted
            result = base64.b64encode(base64.b64decode(result)).decode()
        content = {"data": {kind: result}, "metadata": {kind: {"width": 640, "height": 480}}}
        self.send_response(self.iopub_socket, "display_data", content)

    def _error(self, count: int, ename: str, evalue: str, lines: Sequence[str]) -> dict[str, Any]:
        head = f"{ename}: {evalue}" if evalue else ename
        content = {"ename": ename, "evalue": evalue, "traceback": list(lines) or [head]}
        self.send_response(self.iopub_socket, "error", content)
        return {**_reply("error", count), **content}

    # -- the session -----------------------------------------------------------------------

    def _ready_session(self) -> Session:
        if self._session is None:
            self.kernel_gateway.initialize_clients(
                self.get_profile(),
                self.get_region(),
                self.get_endpoint_url(),
                self.get_temp_credentials(),
            )
            client = self.kernel_gateway.glue_client
            if self._attach_to:
                session = Session(client, self._attach_to, self._limits)
            else:
                session = Session.create(client, self._session_request(), self._limits)
                self._guard = Guard(
                    session.session_id,
                    endpoint=self.get_endpoint_url(),
                    region=self.get_region(),
                    profile=self.get_profile(),
                )
            try:
                session.wait_until_ready()
            except BaseException:
                # The session has no variables yet, so the next cell may create another one.
                with contextlib.suppress(StrictGlueError):  # the first error matters more
                    self._relieve_guard(stop=session)
                raise
            self._session = session
            self.set_session_id(session.session_id)
        return self._session

    def _session_request(self) -> dict[str, Any]:
        role = self.get_glue_role_arn()
        if not role:
            raise ConfigurationError(
                "no role for the session",
                next_step="set the variable glue_role_arn, or use %iam_role",
            )
        if not self.get_new_session_id():
            self.set_new_session_id()
        with self.listening():
            return {
                "IdleTimeout": _IDLE_MINUTES,
                **self._get_additional_arguments(),
                "Id": self.get_new_session_id(),
                "Role": role,
                "Command": {"Name": "glueetl", "PythonVersion": "3"},
                "DefaultArguments": dict(self.get_default_arguments()),
            }

    def stop_session(self) -> None:
        """Stop the session for ``%stop_session``: never one that another process owns."""
        if self._attach_to:
            self.show_text("The session belongs to the run and is left running.")
            return
        self._end_own_session()
        self.reset_kernel()

    def reset_kernel(self) -> None:
        """Forget the session; the next cell creates another."""
        super().reset_kernel()
        self.kernel_gateway = _Gateway()
        self._session = None

    def switch_session(self, session_id: str) -> None:
        """Attach to another session, which must be ready; shutdown leaves it running."""
        self._end_own_session()
        self.reset_kernel()
        self._attach_to = session_id
        self._ready_session()

    def _end_own_session(self) -> None:
        if self._session is not None and not self._attach_to:
            self._relieve_guard(stop=self._session)

    def _relieve_guard(self, stop: Session) -> None:
        guard, self._guard = self._guard, None
        if guard is not None:
            self.set_new_session_id(None)
            try:
                stop.stop()
            except BaseException:
                guard.take_over()
                raise
            guard.dismiss()

    # -- what the official kernel ignores --------------------------------------------------

    def configure(self, configs_json: str) -> None:
        """Accept the settings of ``%%configure``, without output if they are valid."""
        asked = settings_of(configs_json)
        if self._attach_to or (self._session is not None and asked == self._configured):
            return
        self.refuse_settings_of_a_running_session()
        super().configure(configs_json)
        self._configured = asked

    def refuse_settings_of_a_running_session(self) -> None:
        """Raise an error if a setting can have no effect anymore.

        An attached session has its settings from its owner, which read the same notebook.
        """
        if self._session is not None and not self._attach_to:
            raise ConfigurationError(
                f"session {self._session.session_id} is running: its settings cannot change",
                next_step="use %stop_session first, then set them before the next cell",
            )

    @contextlib.contextmanager
    def listening(self) -> Iterator[list[str]]:
        """Hold back the output of the official code inside the block."""
        before, self._heard = self._heard, []
        try:
            yield self._heard
        finally:
            self._heard = before

    def _send_output(self, output: object) -> None:
        if self._heard is None:
            self.show_text(str(output))
        else:
            self._heard.append(str(output))

    _send_error_output = _send_output

    def _print_traceback(self, e: BaseException) -> None:
        raise e

    def handle_exception(self, e: BaseException) -> None:
        """Raise what the official kernel prints."""
        raise e

    def _register_magics(self) -> None:
        self.shell.register_magics(StrictMagics(self.shell, "", self))

    def _get_user_id(self) -> Optional[str]:
        # The official kernel asks STS, at a fixed address.
        return os.environ.get("userId")  # noqa: SIM112 - its name in Glue Studio

    def get_account_id(self) -> str:
        """Return the account of the session's role."""
        parts = str(self.get_glue_role_arn()).split(":")
        return parts[4] if len(parts) > 4 else ""


def _reply(status: str, count: int) -> dict[str, Any]:
    return {"status": status, "execution_count": count, "payload": [], "user_expressions": {}}


if __name__ == "__main__":
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(kernel_class=StrictGlueKernel)
