"""A real browser that a test can show a page to: Chromium, where the machine has it."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

#: Where it is, or None.
PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_LISTENS = re.compile(rb"DevTools listening on (ws://\S+)")
_PATIENCE_SECONDS = 60.0


@dataclass
class Browser:
    """One page of a browser, by the protocol of its developer tools."""

    socket: ClientConnection
    session: str = ""
    _last: int = 0
    #: What the page complained of: errors of its script, and what its policy has blocked.
    complaints: list[str] = field(default_factory=list)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one call."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        self.socket.send(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        while (told := self._receive()).get("id") != self._last:
            pass
        assert "error" not in told, told["error"]
        answer: dict[str, Any] = told["result"]
        return answer

    def _receive(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.socket.recv(timeout=_PATIENCE_SECONDS))
        if told.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(json.dumps(told["params"]))
        return told

    def open(self, file: Path, hash_: str = "") -> None:
        """Show a page from the beginning, and wait until it is whole."""
        self.call("Page.navigate", url="about:blank")
        self._await_load()
        self.call("Page.navigate", url=file.as_uri() + hash_)
        self._await_load()

    def reload(self) -> None:
        self.call("Page.reload")
        self._await_load()

    def _await_load(self) -> None:
        while self._receive().get("method") != "Page.loadEventFired":
            pass

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def type_into(self, name: str, text: str) -> None:
        """Type into the field with this id, as a person does."""
        self.ask(f"document.getElementById({json.dumps(name)}).select()")
        self.call("Input.insertText", text=text)

    def resize(self, width: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)

    def print_pdf(self) -> bytes:
        return base64.b64decode(self.call("Page.printToPDF", printBackground=False)["data"])


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser with an empty page; it has ended when the block has, and what it has written is gone."""
    # Short, as sockets stand in it: not below the long directory for temporary files that a test body has.
    with (
        tempfile.TemporaryDirectory(prefix="pulseq-browser-", dir="/tmp") as place,
        _start(place) as (process, address),
    ):
        try:
            with connect(address, max_size=None, compression=None) as socket:
                browser = Browser(socket)
                target = browser.call("Target.createTarget", url="about:blank")["targetId"]
                browser.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
                for domain in ("Page", "Runtime", "Log"):
                    browser.call(f"{domain}.enable")
                yield browser
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()  # until all that have its standard error are gone


@contextmanager
def _start(place: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The process, and where its developer tools listen."""
    assert PROGRAM is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command = [PROGRAM, *options, "--remote-debugging-port=0", f"--user-data-dir={place}/profile", "about:blank"]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "HOME": place, "TMPDIR": place},
    ) as process:
        assert process.stderr is not None
        said: list[bytes] = []
        for line in process.stderr:
            if found := _LISTENS.search(line):
                yield process, found[1].decode()
                return
            said.append(line)
        raise RuntimeError(f"{PROGRAM} did not begin: {b''.join(said).decode()}")
