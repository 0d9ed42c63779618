"""A real Chromium, driven by its DevTools protocol over two pipes.

Standard library only: no driver, no WebSocket, no port that others on the machine could connect to.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WAIT_SECS = 60
LAUNCH = (
    "--headless=new",
    "--remote-debugging-pipe",
    # Only because tests run as root here and there, for whom Chromium refuses its sandbox.
    "--no-sandbox",
    # Nothing but this machine is reached.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE ::1",
    "--proxy-server=direct://",
    # Frames of other sites in the page's process: one session hears of all of them.
    "--disable-site-isolation-trials",
    "--disable-features=IsolateOrigins,site-per-process",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--lang=en",
)
KEYS = {
    "Tab": ("Tab", 9, ""),
    "Enter": ("Enter", 13, "\r"),
    "Space": ("Space", 32, " "),
}


class BrowserError(Exception):
    """The browser did not do what it was told."""


class Browser:
    """One process with a profile of its own, which ends with it."""

    def __init__(self, program: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="portcullis-pages-")
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        # Out of the way of the numbers 3 and 4, which Chromium expects its pipes at.
        given = [fcntl.fcntl(it, fcntl.F_DUPFD, 20) for it in (to_read, to_write)]
        command = [program, *LAUNCH, f"--user-data-dir={self._profile}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{given[0]} 4>&{given[1]}', "bash", *command],
            pass_fds=given,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for it in (to_read, to_write, *given):
            os.close(it)
        self._last_id = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._arrived = threading.Condition()
        self._ended = False
        self.events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.version = str(self.call("Browser.getVersion")["product"])

    def call(self, method: str, session: str | None = None, **parameters: object) -> dict[str, Any]:
        """Sends one command and gives its result."""
        with self._arrived:
            self._last_id += 1
            number = self._last_id
        message: dict[str, object] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        with self._arrived:
            self._arrived.wait_for(lambda: self._ended or number in self._answers, WAIT_SECS)
            answer = self._answers.pop(number, None)
        if answer is None:
            raise BrowserError(f"{method}: no answer")
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    def page(self) -> Page:
        """A new tab with cookies and cache of its own, as another browser would have."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Page(self, session, context, target)

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # Its children write for a moment longer.
        shutil.rmtree(self._profile, ignore_errors=True)

    def _listen(self) -> None:
        rest = b""
        while data := os.read(self._from, 1 << 20):
            *whole, rest = (rest + data).split(b"\0")
            for text in whole:
                message = json.loads(text)
                if "id" not in message:
                    self.events.put(message)
                    continue
                with self._arrived:
                    self._answers[message["id"]] = message
                    self._arrived.notify_all()
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()


class Page:
    """One tab, and what the browser said about it."""

    def __init__(self, browser: Browser, session: str, context: str, target: str) -> None:
        self._browser, self._session, self._context, self._frame = browser, session, context, target
        self.log: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Network", "Log", "Audits", "Debugger", "DOM"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)

    def close(self) -> None:
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)

    # What the user does.

    def open(self, url: str) -> None:
        """Types a URL, and waits until its page, or the one that it leads to, is there."""
        self._forget_load()
        failed = self.call("Page.navigate", url=url).get("errorText")
        if failed:
            raise BrowserError(f"{url}: {failed}")
        self._await_load()

    def press(self, key: str, *, loads: bool = False) -> None:
        """Presses and releases a key; waits for the page that follows when it `loads` one."""
        code, number, text = KEYS[key]
        name = " " if key == "Space" else key
        self._forget_load()
        common = {"code": code, "key": name, "windowsVirtualKeyCode": number}
        if text:
            self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        else:
            self.call("Input.dispatchKeyEvent", type="rawKeyDown", **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)
        if loads:
            self._await_load()

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def back(self) -> None:
        self._forget_load()
        history = self.call("Page.getNavigationHistory")
        entry = history["entries"][history["currentIndex"] - 1]
        self.call("Page.navigateToHistoryEntry", entryId=entry["id"])
        self._await_load()

    # What the browser shows.

    def run(self, expression: str) -> Any:
        """The value of an expression, beside the page's policy and never part of the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(str(answer["exceptionDetails"])[:600])
        return answer["result"].get("value")

    def until(self, is_so: Callable[[], Any], what: str) -> Any:
        """Waits for a condition, and gives what it gave."""
        deadline = time.monotonic() + WAIT_SECS
        while time.monotonic() < deadline:
            if found := is_so():
                return found
            time.sleep(0.02)
        raise BrowserError(f"in vain: {what}")

    @property
    def url(self) -> str:
        return str(self.run("location.href"))

    @property
    def title(self) -> str:
        return str(self.run("document.title"))

    @property
    def text(self) -> str:
        return str(self.run("document.body.innerText"))

    def size(self, width: int, height: int = 800) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def scheme(self, name: str) -> None:
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self, path: Path) -> None:
        """The whole page, not only what fits on the screen."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def cookies(self, url: str) -> list[dict[str, Any]]:
        return self.call("Network.getCookies", urls=[url])["cookies"]

    def said(self, method: str) -> list[dict[str, Any]]:
        """What the browser reported under this name, from the beginning."""
        self._take_events()
        return [it["params"] for it in self.log if it["method"] == method]

    def requests(self) -> list[dict[str, Any]]:
        return [it["request"] for it in self.said("Network.requestWillBeSent")]

    def outcome(self, url: str) -> str:
        """How the last load of a document, in a frame or not, ended: `shown`, or why it was not."""

        def ended() -> str | None:
            numbers = [it["requestId"] for it in self.said("Network.requestWillBeSent") if it["request"]["url"] == url]
            if not numbers:
                return None
            failed = [it for it in self.said("Network.loadingFailed") if it["requestId"] == numbers[-1]]
            finished = [it for it in self.said("Network.loadingFinished") if it["requestId"] == numbers[-1]]
            return str(failed[0]["errorText"]) if failed else "shown" if finished else None

        return str(self.until(ended, f"{url} in a frame"))

    def violations(self) -> list[str]:
        """Violations of a content security policy, and what else the browser complained about."""
        issues = [it["issue"] for it in self.said("Audits.issueAdded")]
        kinds = [it["code"] for it in issues if "SecurityPolicy" in it["code"] or "Blocked" in it["code"]]
        entries = [it["entry"] for it in self.said("Log.entryAdded")]
        return kinds + [it["text"] for it in entries if it["source"] in ("security", "violation")]

    def scripts(self) -> list[str]:
        """Scripts that belong to a page; ours have no URL."""
        return [it["url"] for it in self.said("Debugger.scriptParsed") if it["url"].startswith("http")]

    # Waiting.

    def _take_events(self) -> None:
        while not self._browser.events.empty():
            event = self._browser.events.get()
            if event.get("sessionId") == self._session:
                self.log.append(event)

    def _forget_load(self) -> None:
        self._take_events()
        self._seen = len(self.log)
        self._left = self.call("Page.getFrameTree")["frameTree"]["frame"]["loaderId"]

    def _await_load(self) -> None:
        def has_loaded() -> bool:
            self._take_events()
            return any(self._is_load(it["method"], it["params"]) for it in self.log[self._seen :])

        self.until(has_loaded, f"a page after {self._left}")
        # The focus is set when the page is drawn, which is later.
        has_focus = "!document.querySelector('[autofocus]') || document.activeElement.autofocus"
        self.until(lambda: self.run(has_focus), "the focus")

    def _is_load(self, method: str, what: dict[str, Any]) -> bool:
        if method == "Page.frameNavigated":
            return bool(what["type"] == "BackForwardCacheRestore")
        is_new = method == "Page.lifecycleEvent" and what["loaderId"] != self._left
        return is_new and what["name"] == "load" and what["frameId"] == self._frame
