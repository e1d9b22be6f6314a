"""What a reply means: files to write, text and JSON to show, an exit code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyscep.ca import TrustedCa
from pyscep.certificates import Identity
from pyscep.cli import files
from pyscep.cli.choices import algorithms_shape
from pyscep.cli.exit_codes import ExitCode
from pyscep.cli.saved_request import SavedRequest
from pyscep.cli.shapes import certificate_shape, certificate_text, pem
from pyscep.cli.terminal import Shape, Terminal, printable, table
from pyscep.client import Client
from pyscep.errors import UsageError
from pyscep.schedule import PollSchedule
from pyscep.transaction import CrlSuccess, Failure, Pending, Reply, Success


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where what comes of a request is written."""

    state: str
    """The file of the pending request."""
    force: bool
    """Whether files that exist may be replaced."""
    saved: SavedRequest
    """The request, and the names of the other files."""

    def keep(self, pending: Pending) -> None:
        """Write the pending request, so that polling can go on after a restart."""
        self.saved.after(pending.transaction).save(self.state)

    def forget(self) -> None:
        """Remove the file of the pending request: the CA has decided."""
        files.remove(self.state)

    def write(self, success: Success) -> None:
        """Write the certificate, and what is above it.

        :raises UsageError: a file of that name has come meanwhile; the text has the certificate.
        """
        above = success.chain.certificates[1:]
        try:
            files.write(self.saved.out, pem((success.certificate,)), force=self.force)
            if self.saved.chain_out is not None:
                files.write(self.saved.chain_out, pem(above), force=self.force)
        except (UsageError, OSError) as error:
            failure = str(error)
        else:
            return
        raise UsageError(
            f"{failure} The certificate was issued all the same:\n{success.certificate.pem()}"
        )


def follow_up(
    reply: Reply,
    *,
    client: Client,
    identity: Identity,
    ca: TrustedCa,
    destination: Destination,
    patience: PollSchedule | None,
    challenge_password: str | None,
    terminal: Terminal,
) -> ExitCode:
    """Do what a reply asks for; wait for the CA's decision if it is pending.

    :param patience: when to poll and when to give up; ``None`` does not wait.
    :param challenge_password: that of the request, if a key cannot decrypt.

    Source: RFC 8894 section 2.5; P-09, X-02, X-05.
    """
    if isinstance(reply, Pending):
        # First of all: from now on, polling can go on after whatever happens here.
        destination.keep(reply)
        if patience is not None:
            terminal.tell(
                f"Pending. Asking every {patience.interval.total_seconds():g} s; after Ctrl-C, go "
                f"on with: pyscep poll {destination.state}"
            )

            def on_attempt(answer: Reply) -> None:
                if isinstance(answer, Pending):
                    destination.keep(answer)
                    terminal.tell(f"Still pending after {answer.transaction.polls} polls.")

            reply = client.wait(
                reply,
                identity=identity,
                ca=ca,
                schedule=patience,
                now=terminal.now,
                sleep=terminal.sleep,
                on_attempt=on_attempt,
                challenge_password=challenge_password,
            )
    return conclude(reply, destination, terminal)


def conclude(reply: Reply, destination: Destination, terminal: Terminal) -> ExitCode:
    """Write the files, show the reply and return its exit code."""
    if isinstance(reply, Success):
        destination.write(reply)
        destination.forget()
        warn_of_weakness(reply, terminal)
        if reply.subject_changed:
            terminal.warn("The CA issued another subject than was asked for.")
        if reply.chain.problem is not None:
            terminal.warn(reply.chain.problem)
        terminal.show(_success_text(reply, destination), reply_shape(reply, destination))
        return ExitCode.SUCCESS
    if isinstance(reply, Failure):
        destination.forget()
        terminal.show(failure_text(reply), reply_shape(reply, destination))
        return ExitCode.REFUSED
    text = (
        "The request is pending: somebody has to approve it.\n"
        f"Ask again with: pyscep poll {destination.state}"
    )
    terminal.show(text, reply_shape(reply, destination))
    return ExitCode.PENDING


def warn_of_weakness(reply: Success | CrlSuccess, terminal: Terminal) -> None:
    """Say it if the server used weak algorithms in its reply (C-23, L-10)."""
    used = (reply.content_encryption_algorithm, reply.digest_algorithm)
    weak = [algorithm.name for algorithm in used if algorithm.legacy]
    if weak:
        terminal.warn(f"The server's reply came with {' and '.join(weak)}.")


def _success_text(reply: Success, destination: Destination) -> str:
    saved = destination.saved
    written = table((("Certificate in", saved.out), ("Chain in", saved.chain_out)))
    return f"Issued.\n{certificate_text(reply.certificate, indent='  ')}\n{written}"


def failure_text(reply: Failure) -> str:
    """Return for people what the CA said, and the likely cause."""
    name = "no reason given" if reply.fail_info_value is None else str(reply.fail_info_value)
    if reply.fail_info is not None:
        name = f"{reply.fail_info.rfc_name} ({reply.fail_info.value})"
    words = (
        "" if reply.fail_info_text is None else f"\nThe CA says: {printable(reply.fail_info_text)}"
    )
    return f"Refused by the CA: {name}.{words}\n{reply.explanation}"


def reply_shape(reply: Reply, destination: Destination | None = None) -> Shape:
    """Return the JSON form of a reply; all keys are always there.

    :param destination: for requests that write files or may be pending.
    """
    saved = None if destination is None else destination.saved
    pending = isinstance(reply, Pending)
    return {
        "status": type(reply).__name__.lower(),
        "transaction_id": reply.transaction.transaction_id,
        "message_type": reply.transaction.message_type.name,
        "polls": reply.transaction.polls,
        "algorithms": algorithms_shape(reply.transaction.algorithms),
        **_success_fields(reply if isinstance(reply, Success) else None),
        **_failure_fields(reply if isinstance(reply, Failure) else None),
        "state": destination.state if destination is not None and pending else None,
        "out": saved.out if saved is not None and isinstance(reply, Success) else None,
        "chain_out": saved.chain_out if saved is not None and isinstance(reply, Success) else None,
    }


def _success_fields(reply: Success | None) -> dict[str, Any]:
    if reply is None:
        names = ("certificate", "chain", "chain_problem", "subject_changed", "reply_algorithms")
        return dict.fromkeys(names)
    return {
        "certificate": certificate_shape(reply.certificate),
        "chain": [certificate_shape(each) for each in reply.chain.certificates[1:]],
        "chain_problem": reply.chain.problem,
        "subject_changed": reply.subject_changed,
        "reply_algorithms": {
            "content_encryption_algorithm": reply.content_encryption_algorithm.name,
            "digest_algorithm": reply.digest_algorithm.name,
        },
    }


def _failure_fields(reply: Failure | None) -> dict[str, Any]:
    if reply is None:
        return dict.fromkeys(
            ("fail_info", "fail_info_name", "fail_info_text", "hresult", "explanation")
        )
    return {
        "fail_info": reply.fail_info_value,
        "fail_info_name": None if reply.fail_info is None else reply.fail_info.rfc_name,
        "fail_info_text": reply.fail_info_text,
        "hresult": reply.hresult,
        "explanation": reply.explanation,
    }
