import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pulseq.models import HttpBody


class Handler(BaseHTTPRequestHandler):
    """Answers as asked.

    /STATUS, /echo, /heard, /to (a redirect), /to?WHERE, /in?CHARSET, /as?CHARSET, /slow, /big, /cut, /torn, /round.
    """

    def do_GET(self):
        path, _, query = self.path.strip("/").partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        if path == "slow":
            self.server.release.wait(30)
        if path == "echo":
            self.answer(200, f"{self.command} {self.headers['X-Mode']} {data.decode()}".encode())
        elif path == "heard":
            self.answer(200, json.dumps({name.lower(): value for name, value in self.headers.items()}).encode())
        elif path == "to":
            self.answer(302, b"elsewhere", Location=query or "/echo")
        elif path == "in":
            self.answer(200, "Größe".encode(query), **{"Content-Type": f"text/plain; charset={query}"})
        elif path == "as":
            self.answer(200, "Größe".encode(), **{"Content-Type": f"text/plain; charset={query}"})
        elif path == "round":
            self.answer(302, b"and round", Location="/round")
        elif path == "cut":
            self.answer(200, b"half", **{"Content-Length": "8"})
        elif path == "torn":
            self.protocol_version = "HTTP/1.1"
            self.answer(200, b"4\r\nhalf\r\n", **{"Transfer-Encoding": "chunked"})
            self.close_connection = True
        elif path == "big":
            self.answer(200, b"x" * 9_000_000)
        else:
            self.answer(int(path) if path.isdigit() else 200, b"plain answer")

    do_POST = do_PURGE = do_GET

    def do_HEAD(self):
        self.answer(200, b"", **{"Content-Length": "8"})

    def answer(self, status, body, **headers):
        self.send_response(status)
        if "Transfer-Encoding" not in headers:
            headers = {"Content-Length": str(len(body)), **headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A body that was ended closes its connection; that is no error here."""


@contextmanager
def serving():
    server = Server(("127.0.0.1", 0), Handler)
    server.release = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def url():
    with serving() as url:
        yield url


@pytest.fixture
def other_url():
    with serving() as url:
        yield url


@pytest.fixture
def heard(run_body):
    """The headers that a request to /heard had, at the end of its way."""

    def ask(body):
        result = run_body(body)
        assert result.status == "passed", result.error
        return json.loads(result.output.partition("\n\n")[2])

    return ask


def test_the_expected_answer_has_passed(run_body, verdict, url):
    result = run_body(HttpBody(url + "/health", expect_text="plain", max_seconds=20))
    assert verdict(result) == ("passed", None)
    assert result.output.startswith("200 OK\n")
    assert result.output.endswith("\n\nplain answer\n")


def test_response_time_is_that_of_the_answer_alone(run_body, url):
    metrics = run_body(HttpBody(url + "/health")).metrics
    assert 0 < metrics["response_time"] < metrics["duration"]


def test_another_status_says_what_came_and_what_was_expected(run_body, verdict, url):
    result = run_body(HttpBody(url + "/404", expect_status=(200, 204)))
    assert verdict(result) == ("failed", "assertion")
    assert result.error == f"GET {url}/404: answered 404 Not Found, expected 200 or 204"


def test_a_status_that_is_no_success_can_be_expected(run_body, verdict, url):
    assert verdict(run_body(HttpBody(url + "/503", expect_status=(503,)))) == ("passed", None)


def test_a_missing_text_shows_what_came(run_body, verdict, url):
    result = run_body(HttpBody(url + "/x", expect_text="rosy"))
    assert verdict(result) == ("failed", "assertion")
    assert result.error.endswith("expected the text 'rosy', found 'plain answer'")


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-16", "utf-8"])
def test_a_text_is_looked_for_in_the_charset_of_the_answer(run_body, verdict, url, charset):
    result = run_body(HttpBody(f"{url}/in?{charset}", expect_text="Größe"))
    assert verdict(result) == ("passed", None)


@pytest.mark.parametrize("charset", ["klingon", "hex", "utf-8%00"])
def test_an_answer_in_no_charset_is_taken_for_utf_8(run_body, verdict, url, charset):
    result = run_body(HttpBody(f"{url}/as?{charset}", expect_text="Größe"))
    assert verdict(result) == ("passed", None)


@pytest.mark.parametrize("method", ["POST", "PURGE"])
def test_method_headers_and_body_are_sent(run_body, verdict, url, method):
    body = HttpBody(url + "/echo", method, {"X-Mode": "fast"}, "né", expect_text=f"{method} fast né")
    assert verdict(run_body(body)) == ("passed", None)


def test_redirects_are_followed(run_body, verdict, url):
    assert verdict(run_body(HttpBody(url + "/to", expect_text="GET"))) == ("passed", None)


def test_a_redirect_that_is_expected_is_not_followed(run_body, verdict, url):
    assert verdict(run_body(HttpBody(url + "/to", expect_status=(302,), expect_text="elsewhere"))) == ("passed", None)


SECRETS = {"Authorization": "Bearer abc", "Cookie": "session=1", "X-Api-Key": "abc", "Accept": "text/plain"}


def test_a_redirect_on_the_same_host_takes_all_headers_along(heard, url):
    headers = heard(HttpBody(f"{url}/to?/heard", headers=SECRETS))
    assert {name.lower(): value for name, value in SECRETS.items()}.items() <= headers.items()


def test_no_secret_follows_a_redirect_to_another_host(heard, url, other_url):
    headers = heard(HttpBody(f"{url}/to?{other_url}/heard", headers=SECRETS))
    assert headers["accept"] == "text/plain"
    assert headers.keys() & {"authorization", "cookie", "x-api-key"} == set()


def test_no_password_of_the_url_follows_a_redirect_to_another_host(heard, url, other_url):
    there = url.replace("//", "//me:secret@")
    assert heard(HttpBody(f"{there}/heard"))["authorization"] == "Basic bWU6c2VjcmV0"
    assert "authorization" not in heard(HttpBody(f"{there}/to?{other_url}/heard"))


def test_a_password_is_in_no_message(run_body, url):
    result = run_body(HttpBody(url.replace("//", "//me:secret@") + "/404"))
    assert result.error.startswith("GET http://me:***@127.0.0.1:")
    assert "secret" not in result.error + result.output


@pytest.mark.parametrize(
    "where", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://:80/x", "//[", "http://host:port/x"]
)
def test_a_redirect_that_leads_nowhere_has_failed(run_body, verdict, url, where):
    result = run_body(HttpBody(f"{url}/to?{where}"))
    assert verdict(result) == ("failed", "assertion")
    assert f"answered 302 Found, a redirect to {where!r}, which is no " in result.error


def test_redirects_in_a_circle_end(run_body, verdict, url):
    result = run_body(HttpBody(f"{url}/round"))
    assert verdict(result) == ("failed", "assertion")
    assert "more than 10 redirects, the last one to " in result.error


def test_after_a_post_a_redirect_is_asked_for_without_a_body(run_body, verdict, url):
    body = HttpBody(f"{url}/to?/echo", "POST", {"X-Mode": "fast"}, "order", expect_text="GET fast ")
    result = run_body(body)
    assert verdict(result) == ("passed", None)
    assert "order" not in result.output


@pytest.mark.parametrize(("path", "told"), [("/cut", "4 of 8 bytes came"), ("/torn", "4 bytes came, and no end")])
def test_an_answer_that_is_cut_short_is_an_error(run_body, verdict, url, path, told):
    result = run_body(HttpBody(url + path))
    assert verdict(result) == ("error", "exception")
    assert result.error == f"GET {url}{path}: the answer was cut short: {told}"


def test_an_answer_to_head_has_no_body_to_be_cut(run_body, verdict, url):
    assert verdict(run_body(HttpBody(url + "/cut", "HEAD"))) == ("passed", None)


def test_an_answer_that_takes_too_long_has_failed(run_body, verdict, url):
    result = run_body(HttpBody(url + "/slow", max_seconds=0.2))
    assert verdict(result) == ("failed", "assertion")
    assert result.error == f"GET {url}/slow: no complete answer within 0.2 s"


def test_the_timeout_of_the_test_ends_a_request(run_body, verdict, url):
    assert verdict(run_body(HttpBody(url + "/slow"), timeout=0.2)) == ("error", "timeout")


def test_of_a_long_answer_only_the_beginning_is_read(run_body, verdict, url):
    result = run_body(HttpBody(url + "/big", expect_text="y"))
    assert verdict(result) == ("failed", "assertion")
    assert "in its first 8388608 bytes, found 'xxx" in result.error
    assert result.output_bytes < 10_000


def test_no_answer_is_an_error(run_body, verdict):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        result = run_body(HttpBody(f"http://127.0.0.1:{free.getsockname()[1]}/"))
    assert verdict(result) == ("error", "exception")
    assert "no answer: [Errno 111] Connection refused" in result.error


def test_an_answer_that_is_no_http_is_an_error(run_body, verdict):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk_nonsense():
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"nonsense\r\n\r\n")

        thread = threading.Thread(target=talk_nonsense)
        thread.start()
        result = run_body(HttpBody(f"http://127.0.0.1:{server.getsockname()[1]}/"))
        thread.join()
    assert verdict(result) == ("error", "exception")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "127.0.0.1", "http://", "http://[::1"])
def test_what_is_no_http_url_is_refused(run_body, verdict, target):
    result = run_body(HttpBody(target))
    assert verdict(result) == ("error", "setup")
    assert result.error.startswith(f"GET {target} is no request that can be made: ")


@pytest.mark.parametrize("path", ["/a b", "/a\nb"])
def test_a_url_that_cannot_be_sent_is_refused(run_body, verdict, url, path):
    assert verdict(run_body(HttpBody(url + path))) == ("error", "setup")


def test_proxies_are_not_asked_for_this_machine(run_body, verdict, url, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert verdict(run_body(HttpBody(url + "/health"))) == ("passed", None)


def test_proxies_are_asked_for_other_machines(run_body, verdict, url, monkeypatch):
    monkeypatch.setenv("http_proxy", url)
    monkeypatch.delenv("no_proxy", raising=False)
    result = run_body(HttpBody("http://shop.invalid/health"), env={"no_proxy": ""})
    assert result.output.startswith(("200", "404", "500"))
