"""The server on loopback, talked to byte by byte: what clients write, not what libraries do."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.begin import pkcs_req
from pyscep.capabilities import Algorithms
from pyscep.errors import TransportError
from pyscep.exchange import Exchange
from pyscep.http import HttpRequest, HttpResponse
from pyscep.limits import Limits
from pyscep.pkcs10 import build_csr
from pyscep.responder import Responder
from pyscep.testing import ScepServer
from pyscep.testing.server import Wire
from pyscep.transaction import Success
from pyscep.transport import RequestsTransport
from tests.helpers import keys, responders
from tests.helpers.responders import begin, new_responder

LINE = b"\r\n"


@dataclass
class Answer:
    """What came back, to the letter."""

    status: int
    version: str
    headers: dict[str, str]
    body: bytes


class Wires:
    """A connection of a client that writes bytes."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rb")

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def read(self, *, with_body: bool = True) -> Answer:
        """Read one answer; the length tells where it ends."""
        version, status, _ = self.file.readline().decode().split(" ", 2)
        headers: dict[str, str] = {}
        while line := self.file.readline().rstrip(LINE):
            name, _, value = line.decode().partition(": ")
            assert name not in headers
            headers[name] = value
        size = int(headers["Content-Length"]) if with_body else 0
        return Answer(int(status), version, headers, self.file.read(size))

    def is_closed(self) -> bool:
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True  # there was something that the server had not read

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def responder() -> Responder:
    return new_responder(limits=Limits(message_size=20_000))


@pytest.fixture
def server(responder: Responder) -> Iterator[ScepServer]:
    with ScepServer(responder.handle, limits=responder.limits) as running:
        yield running
        running.check()


@contextmanager
def connected(server: ScepServer) -> Iterator[Wires]:
    wires = Wires(int(server.url.split(":")[2].split("/")[0]))
    try:
        yield wires
    finally:
        wires.close()


def ask(server: ScepServer, *lines: str, body: bytes = b"") -> Answer:
    """Send one request, whose lines are as they stand here."""
    with connected(server) as wires:
        wires.send(LINE.join(line.encode("latin-1") for line in lines) + LINE * 2 + body)
        return wires.read()


def post(server: ScepServer, body: bytes, *headers: str, query: str = "PKIOperation") -> Answer:
    return ask(
        server,
        f"POST /scep?operation={query} HTTP/1.1",
        "Host: x",
        f"Content-Length: {len(body)}",
        *headers,
        body=body,
    )


def get(server: ScepServer, query: str, *headers: str) -> Answer:
    return ask(server, f"GET /scep?{query} HTTP/1.1", "Host: x", *headers)


def is_success(exchange: Exchange, answer: Answer) -> bool:
    assert answer.status == 200, answer
    return isinstance(exchange.receive(answer.body), Success)


def in_query(message: bytes) -> str:
    return "operation=PKIOperation&message=" + quote(base64.b64encode(message), safe="")


class TestHeaders:
    @pytest.mark.conforms("T-20", "T-21", "T-28", "C-01", "C-05", "C-06")
    @pytest.mark.parametrize(
        ("query", "status", "content_type"),
        [
            ("operation=GetCACaps", 200, "text/plain"),
            ("operation=GetCACert", 200, "application/x-x509-ca-cert"),
            ("operation=GetNextCACert", 501, "text/plain"),
            ("operation=Nonsense", 400, "text/plain"),
        ],
    )
    def test_exactly_these(
        self, server: ScepServer, query: str, status: int, content_type: str
    ) -> None:
        answer = get(server, query)
        assert (answer.status, answer.version) == (status, "HTTP/1.1")
        date = answer.headers.pop("Date")
        assert date.endswith(" GMT")
        assert answer.headers == {
            "Server": "pyscep",
            "Content-Type": content_type,
            "Cache-Control": "no-store",
            "Content-Length": str(len(answer.body)),
        }
        if query == "operation=GetCACaps":
            assert b"\r" not in answer.body
            assert b"SCEPStandard\n" in answer.body

    @pytest.mark.conforms("T-20", "T-21", "T-28", "T-23")
    def test_of_a_message(self, responder: Responder, server: ScepServer) -> None:
        exchange = begin(responder)
        answer = post(server, exchange.message)
        del answer.headers["Date"], answer.headers["Content-Length"]
        assert answer.headers == {
            "Server": "pyscep",
            "Content-Type": "application/x-pki-message",
            "Cache-Control": "no-store",
        }
        assert is_success(exchange, answer)


class TestOldAndOddClients:
    @pytest.mark.conforms("T-19", "V-14")
    def test_http_1_0_without_host(self, server: ScepServer) -> None:
        """Cisco's devices ask like this, with their trustpoint as CA identifier."""
        with connected(server) as wires:
            wires.send(
                b"GET /cgi-bin/pkiclient.exe?operation=GetCACert&message=trustpoint HTTP/1.0\r\n"
                b"User-Agent: Mozilla/4.0 (compatible; MSIE 5.0; Cisco PKI)\r\n\r\n"
            )
            answer = wires.read()
            assert (answer.status, answer.headers["Content-Type"]) == (
                200,
                "application/x-x509-ca-cert",
            )
            assert wires.is_closed()
        assert server.log[0].request.headers[0][0] == "User-Agent"

    @pytest.mark.conforms("T-19", "T-01", "T-32", "V-14", "E-21")
    def test_a_cisco_enrolment(self) -> None:
        """By GET over HTTP/1.0, under 3DES and SHA-1, which the answer mirrors."""
        old = new_responder(
            ciphers={ContentEncryptionAlgorithm.DES_EDE3_CBC}, digests={DigestAlgorithm.SHA1}
        )
        csr = build_csr(
            subject="1.2.840.113549.1.9.2=router.example,2.5.4.5=FTX1234",
            key=keys.rsa(1),
            challenge_password=responders.CHALLENGE,
            digest_algorithm=DigestAlgorithm.SHA1,
        )
        exchange = pkcs_req(
            csr,
            identity=responders.self_signed(csr),
            ca=responders.trust(old),
            algorithms=Algorithms(
                content_encryption_algorithm=ContentEncryptionAlgorithm.DES_EDE3_CBC,
                digest_algorithm=DigestAlgorithm.SHA1,
            ),
        )
        with ScepServer(old.handle) as server:
            answer = ask(server, f"GET /x?{in_query(exchange.message)} HTTP/1.0")
        reply = exchange.receive(answer.body)
        assert isinstance(reply, Success)
        assert reply.content_encryption_algorithm is ContentEncryptionAlgorithm.DES_EDE3_CBC
        assert reply.digest_algorithm is DigestAlgorithm.SHA1

    @pytest.mark.conforms("T-19")
    def test_no_host_on_http_1_1(self, server: ScepServer) -> None:
        assert ask(server, "GET /?operation=GetCACaps HTTP/1.1", "Accept: */*").status == 200

    @pytest.mark.conforms("T-09", "T-12", "T-13", "T-32")
    @pytest.mark.parametrize(
        "target",
        [
            "/scep?operation=getcacaps",
            "/scep?OPERATION=GETCACAPS&message=",
            "/?message=x&operation=GetCACaps",
            "/certsrv/mscep/mscep.dll/pkiclient.exe?operation=GetCACaps",
            "/scep?operation=%47etCACaps",
            "http://proxy.example/scep?operation=GetCACaps",
        ],
    )
    def test_odd_but_clear(self, server: ScepServer, target: str) -> None:
        answer = ask(server, f"GET {target} HTTP/1.1", "Host: x")
        assert answer.status == 200
        assert b"SCEPStandard" in answer.body

    @pytest.mark.conforms("T-12", "T-13", "T-33")
    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ("", 200),
            ("operation=pkioperation", 200),
            ("operation=Sign", 200),
            ("operation=PKIOperation&message=", 200),
            ("operation=GetCACaps", 405),
            ("operation=GetCACert", 405),
        ],
    )
    def test_the_operation_of_a_post(
        self, responder: Responder, server: ScepServer, query: str, status: int
    ) -> None:
        exchange = begin(responder)
        answer = ask(
            server,
            f"POST /scep?{query} HTTP/1.1",
            "Host: x",
            f"Content-Length: {len(exchange.message)}",
            body=exchange.message,
        )
        assert answer.status == status
        if status == 200:
            assert is_success(exchange, answer)
        else:
            assert answer.headers["Allow"] == "GET"

    @pytest.mark.conforms("T-15")
    @pytest.mark.parametrize(
        "header",
        [
            "X-Nothing: said",
            "Content-Type:",
            "Content-Type: application/octet-stream",
            "Content-Type: application/x-www-form-urlencoded",
            "Content-Type: text/plain; charset=utf-8",
        ],
    )
    def test_the_content_type_of_a_post(
        self, responder: Responder, server: ScepServer, header: str
    ) -> None:
        exchange = begin(responder)
        assert is_success(exchange, post(server, exchange.message, header))

    @pytest.mark.conforms("T-07", "T-01")
    def test_get_as_strong_swan_writes_it(self, responder: Responder, server: ScepServer) -> None:
        exchange = begin(responder)
        lines = base64.encodebytes(exchange.message).decode()
        written = lines.replace("+", "%2B").replace("\n", "%0A")
        answer = get(server, f"operation=PKIOperation&message={written}")
        assert is_success(exchange, answer)

    @pytest.mark.conforms("T-17")
    @pytest.mark.parametrize("size", [1, 1000, 100_000])
    @pytest.mark.parametrize("ending", ["0\r\n\r\n", "000;a=b\r\nTrailer: x\r\n\r\n"])
    def test_chunks(self, responder: Responder, server: ScepServer, size: int, ending: str) -> None:
        exchange = begin(responder)
        message = exchange.message
        pieces = [message[start : start + size] for start in range(0, len(message), size)]
        body = b"".join(b"%X;x=y\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        with connected(server) as wires:
            for _ in range(2):
                wires.send(
                    b"POST /scep?operation=PKIOperation HTTP/1.1\r\nHost: x\r\n"
                    b"Transfer-Encoding: Chunked\r\n\r\n" + body + ending.encode()
                )
                # Nothing is left over that the next request would begin with.
                assert is_success(exchange, wires.read())

    @pytest.mark.conforms("T-18")
    def test_who_waits_to_be_asked_for_the_body(
        self, responder: Responder, server: ScepServer
    ) -> None:
        exchange = begin(responder)
        with connected(server) as wires:
            wires.send(
                b"POST /scep?operation=PKIOperation HTTP/1.1\r\nHost: x\r\n"
                b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(exchange.message)
            )
            assert wires.file.readline() == b"HTTP/1.1 100 Continue\r\n"
            assert wires.file.readline() == LINE
            wires.send(exchange.message)
            assert is_success(exchange, wires.read())

    def test_one_connection_for_everything(self, responder: Responder, server: ScepServer) -> None:
        exchange = begin(responder)
        with connected(server) as wires:
            for query in ("GetCACaps", "GetCACert", "GetNextCACert", "Nonsense"):
                wires.send(f"GET /scep?operation={query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                wires.read()
            wires.send(
                b"POST /scep?operation=PKIOperation HTTP/1.1\r\nHost: x\r\n"
                b"Content-Length: %d\r\n\r\n" % len(exchange.message)
            )
            wires.send(exchange.message)
            assert is_success(exchange, wires.read())
        assert len(server.log) == 5


class TestRefusals:
    @pytest.mark.conforms("T-33")
    @pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "FOO", "get"])
    def test_methods(self, server: ScepServer, method: str) -> None:
        answer = ask(server, f"{method} /scep?operation=GetCACaps HTTP/1.1", "Host: x")
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")

    @pytest.mark.conforms("T-33")
    def test_head_has_no_body(self, server: ScepServer) -> None:
        with connected(server) as wires:
            wires.send(b"HEAD /scep?operation=GetCACaps HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = wires.read(with_body=False)
            assert answer.status == 405
            assert int(answer.headers["Content-Length"]) > 0
            wires.send(b"GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: x\r\n\r\n")
            assert wires.read().status == 200

    @pytest.mark.conforms("T-29", "T-33", "S-22")
    @pytest.mark.parametrize(
        ("lines", "status"),
        [
            (["GET /scep?operation=GetCACaps&message=" + "A" * 70_000 + " HTTP/1.1"], 414),
            (["GET /scep?operation=GetCACaps&message=" + "A" * 45_000 + " HTTP/1.1"], 414),
            (["GET /scep?operation=PKIOperation&message=" + "A" * 39_000 + " HTTP/1.1"], 413),
            (["GET /scep HTTP/1.1", "X: " + "A" * 70_000], 431),
            (["GET /scep HTTP/1.1", *(f"X{number}: y" for number in range(200))], 431),
            (["GET /scep HTTP/9.9"], 505),
            (["nonsense"], 400),
            (["GET /scep with spaces HTTP/1.1"], 400),
            (["POST /scep HTTP/1.1", "Content-Length: 20001"], 413),
            (["POST /scep HTTP/1.1", "Content-Length: " + "9" * 5000], 413),
            (["POST /scep HTTP/1.1", "Content-Length: -1"], 400),
            (["POST /scep HTTP/1.1", "Content-Length: +1"], 400),
            (["POST /scep HTTP/1.1", "Content-Length: 1", "Content-Length: 2"], 400),
            (["POST /scep HTTP/1.1", "Transfer-Encoding: gzip, chunked"], 501),
            (["POST /scep HTTP/1.1", "Transfer-Encoding: gzip"], 501),
            (["POST /scep HTTP/1.1", "Content-Length: 0"], 400),
        ],
        ids=lambda value: value[-1][:46] if isinstance(value, list) else None,
    )
    def test_too_much_or_nonsense(self, server: ScepServer, lines: list[str], status: int) -> None:
        answer = ask(server, *lines)
        assert answer.status == status
        assert answer.headers["Content-Type"] == "text/plain"
        assert answer.headers["Cache-Control"] == "no-store"
        assert b"AAAA" not in answer.body
        assert answer.body.count(b"\n") == 1

    @pytest.mark.conforms("T-17", "T-29")
    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"4E21\r\n", 413),
            (b"10\r\n" + bytes(16) + b"\r\n" + b"4E20\r\n", 413),
            (b"FFFFFFFFFFFFFFFFFFFF\r\n", 400),
            (b"-5\r\n", 400),
            (b"+5\r\n", 400),
            (b"0x5\r\n", 400),
            (b"5_0\r\n", 400),
            (b"\r\n", 400),
            (b"x" * 2000, 400),
            (b"2\r\nabcd\r\n0\r\n\r\n", 400),
        ],
    )
    def test_bad_chunks(self, server: ScepServer, body: bytes, status: int) -> None:
        answer = ask(
            server, "POST /scep HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", body=body
        )
        assert answer.status == status
        assert answer.headers["Connection"] == "close"

    @pytest.mark.conforms("T-17")
    def test_a_body_cannot_hide_a_request(self, server: ScepServer) -> None:
        """What is not understood of a body is not read as the next request."""
        hidden = b"GET /scep?operation=GetCACaps HTTP/1.1\r\n\r\n"
        with connected(server) as wires:
            wires.send(
                b"POST /scep HTTP/1.1\r\nTransfer-Encoding: xchunked\r\nContent-Length: %d\r\n\r\n"
                % len(hidden)
                + hidden
            )
            assert wires.read().status == 501
            assert wires.is_closed()
        assert server.log == []

    @pytest.mark.conforms("T-29")
    @pytest.mark.parametrize(
        "start",
        [
            b"POST /scep HTTP/1.1\r\nContent-Length: 1000\r\n\r\n",
            b"POST /scep HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ],
        ids=["length", "chunks"],
    )
    def test_a_body_that_does_not_come(self, responder: Responder, start: bytes) -> None:
        with ScepServer(responder.handle, timeout=0.2) as server, connected(server) as wires:
            wires.send(start)
            assert wires.read().status == 408
            assert wires.is_closed()

    @pytest.mark.conforms("T-29")
    def test_a_body_that_drips(self, responder: Responder) -> None:
        """The connection is never silent for long, but that does not go on for ever."""
        with ScepServer(responder.handle, timeout=0.5) as server, connected(server) as wires:
            wires.send(b"POST /scep HTTP/1.1\r\nContent-Length: 20000\r\n\r\n")
            stop = threading.Event()

            def drip() -> None:
                try:
                    while not stop.wait(0.05):
                        wires.send(b"x")
                except OSError:
                    pass  # hung up

            dripping = threading.Thread(target=drip)
            dripping.start()
            try:
                assert wires.read().status == 408
            finally:
                stop.set()
                dripping.join()

    @pytest.mark.conforms("T-29")
    def test_a_slow_body_in_time(self, responder: Responder, server: ScepServer) -> None:
        exchange = begin(responder)
        with connected(server) as wires:
            wires.send(b"POST /scep HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(exchange.message))
            for start in range(0, len(exchange.message), 200):
                wires.send(exchange.message[start : start + 200])
            assert is_success(exchange, wires.read())

    def test_a_client_that_hangs_up(self, server: ScepServer) -> None:
        for start in (b"", b"GET /sc", b"POST /scep HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"):
            with connected(server) as wires:
                wires.send(start)
        assert get(server, "operation=GetCACaps").status == 200


class TestLife:
    def test_stops_for_clients_that_keep_the_connection(self, responder: Responder) -> None:
        server = ScepServer(responder.handle).start()
        with connected(server) as wires:
            wires.send(b"GET /scep?operation=GetCACaps HTTP/1.1\r\n\r\n")
            assert wires.read().status == 200
            server.stop()
            server.stop()
            assert wires.is_closed()
        with RequestsTransport(timeout=2) as send, pytest.raises(TransportError):
            send(HttpRequest(method="GET", url=f"{server.url}?operation=GetCACaps"))

    def test_takes_the_port_that_it_is_given(self, responder: Responder) -> None:
        with ScepServer(responder.handle) as first:
            port = int(first.url.split(":")[2].split("/")[0])
        with ScepServer(responder.handle, port=port, path="/other") as second:
            assert second.url == f"http://127.0.0.1:{port}/other"
            assert get(second, "operation=GetCACaps").status == 200

    @pytest.mark.conforms("S-22")
    def test_what_goes_wrong_inside_is_raised_by_check(self) -> None:
        def broken(request: HttpRequest) -> HttpResponse:
            raise ZeroDivisionError(request.method)

        with ScepServer(broken) as server:
            answer = get(server, "operation=GetCACaps")
            assert (answer.status, answer.body) == (500, b"An error.\n")
            assert answer.headers["Cache-Control"] == "no-store"
            with pytest.raises(ZeroDivisionError, match="GET"):
                server.check()
            assert server.log[0].response.status == 500
            server.reset()
            server.check()
            assert server.log == []

    def test_what_goes_wrong_while_sending_is_raised_too(self, responder: Responder) -> None:
        def broken(request: HttpRequest) -> Wire | None:
            raise ZeroDivisionError(request.method)

        with ScepServer(responder.handle, wire=broken) as server:
            with connected(server) as wires:
                wires.send(b"GET /?operation=GetCACaps HTTP/1.1\r\n\r\n")
                assert wires.is_closed()
            with pytest.raises(ZeroDivisionError, match="GET"):
                server.check()

    def test_a_length_that_the_responder_gives_is_sent_once(self) -> None:
        answered = HttpResponse(status=200, headers=(("Content-Length", "2"),), body=b"ok")
        with ScepServer(lambda _: answered) as server:
            # Reading it refuses headers that are there twice.
            answer = get(server, "operation=GetCACaps")
        assert (answer.headers["Content-Length"], answer.body) == ("2", b"ok")

    def test_a_slow_answer_comes_to_its_end(self) -> None:
        answered = HttpResponse(status=200, body=b"ok")
        with ScepServer(lambda _: answered, wire=lambda _: Wire.SLOW) as server:
            assert get(server, "operation=GetCACaps").body == b"ok"
            server.check()

    @pytest.mark.parametrize("wire", [Wire.CHUNKED, None])
    def test_legal_ways_to_answer(self, responder: Responder, wire: Wire | None) -> None:
        with (
            ScepServer(responder.handle, wire=lambda _: wire) as server,
            RequestsTransport(timeout=5) as send,
        ):
            for _ in range(2):
                request = HttpRequest(method="GET", url=f"{server.url}?operation=GetCACert")
                assert send(request).body == responder.authority.issuer.der
