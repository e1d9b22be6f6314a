"""Run a server that listens on all interfaces so that only this machine's loopback reaches it.

``loopback_relay.py LISTENER PORT IP COMMAND...`` has to be started in a network namespace of its
own, where the command may listen on everything: there is nothing but ``lo``. *LISTENER* is the
file descriptor of a socket that listens on 127.0.0.1 outside. A socket stays in the namespace it
was made in, so what is accepted from it comes from outside, and what is connected to is inside.

Bytes pass unchanged in both directions. The relay ends when the command ends, with its status;
SIGTERM is passed on to the command.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from contextlib import suppress
from threading import Thread

CHUNK = 65536


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the sender has said its last word or is gone, and pass that on too."""
    with suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def relay(outside: socket.socket, port: int) -> None:
    """Connect one accepted connection with the command; close it if the command is not ready."""
    with (
        outside,
        suppress(ConnectionRefusedError),
        socket.create_connection(("127.0.0.1", port)) as inside,
    ):
        for connection in (outside, inside):
            # What comes in pieces goes on in pieces, without waiting for the other side's word.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies = Thread(target=pump, args=(inside, outside), daemon=True)
        replies.start()
        pump(outside, inside)
        replies.join()


def accept(listener: socket.socket, port: int) -> None:
    """Relay every connection, for ever."""
    while True:
        outside, _ = listener.accept()
        Thread(target=relay, args=(outside, port), daemon=True).start()


def main() -> int:
    """Bring up ``lo``, then relay while the command runs, and return its exit status."""
    descriptor, port, ip, *command = sys.argv[1:]
    subprocess.run([ip, "link", "set", "lo", "up"], check=True)
    listener = socket.socket(fileno=int(descriptor))
    with subprocess.Popen(command) as child:
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        Thread(target=accept, args=(listener, int(port)), daemon=True).start()
        return child.wait()


if __name__ == "__main__":
    sys.exit(main())
