"""A headless Chromium, driven by the DevTools protocol over its pipe: nothing to install, no port open."""
import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

from sidecar import Failed, Skipped, check


class Chromium:
    """One tab. `errors` collects what the page complained about: exceptions, console errors, refusals by its policy."""

    def __init__(self, width=1280, height=900, dark=False, reduced=False):
        program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
        if not program:
            raise Skipped("there is no chromium here; install it, or set CHROMIUM")
        self.folder = tempfile.mkdtemp(prefix="shadow-router-chromium-")
        there, self.write = os.pipe()
        self.read, back = os.pipe()
        words = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-extensions", "--disable-background-networking", "--remote-debugging-pipe",
                 "--user-data-dir=" + self.folder, "about:blank"]
        # The browser wants its pipe at 3 and 4, where this process may have anything: a process between puts it there.
        high = [fcntl.fcntl(number, fcntl.F_DUPFD, 10) for number in (there, back)]
        mover = "import os, sys; os.dup2(%d, 3); os.dup2(%d, 4); os.execv(sys.argv[1], sys.argv[1:])" % tuple(high)
        self.process = subprocess.Popen([sys.executable, "-c", mover, *words], pass_fds=high, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for number in high:
            os.close(number)
        os.close(there)
        os.close(back)
        self.number, self.buffer, self.session, self.errors, self.events = 0, b"", None, [], []
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(domain + ".enable")
            self.size(width, height)
            self.media(dark, reduced)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for number in (self.read, self.write):
            os.close(number)
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method, timeout=30, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + timeout
        while True:
            answer = self.receive(end)
            if answer is None:
                raise Failed("chromium did not answer %s within %g s" % (method, timeout))
            if answer.get("id") == self.number:
                check("error" not in answer, lambda: "%s: %s" % (method, answer.get("error")))
                return answer["result"]

    def receive(self, end):
        """One message; events are kept in `errors` where they are complaints. None when the time is over."""
        while b"\0" not in self.buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.read], [], [], left)[0]:
                return None
            data = os.read(self.read, 1 << 20)
            if not data:
                raise Failed("chromium ended")
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(text)
        kind, what = message.get("method"), message.get("params", {})
        if kind == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(what["exceptionDetails"])[:600])
        if kind == "Log.entryAdded" and what["entry"]["level"] == "error":
            self.errors.append("%s %s" % (what["entry"]["text"], what["entry"].get("url", "")))
        return message

    # What a person does

    def size(self, width, height, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)

    def media(self, dark=False, reduced=False):
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if reduced else "no-preference"}])

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'", "the page is there")

    def value(self, expression, timeout=30):
        result = self.call("Runtime.evaluate", timeout, expression=expression, awaitPromise=True, returnByValue=True)
        check("exceptionDetails" not in result, lambda: "%s: %s" % (expression, json.dumps(result)[:600]))
        return result["result"].get("value")

    def until(self, expression, what, timeout=20):
        end = time.monotonic() + timeout
        while True:
            value = self.value("(() => { try { return !!(%s) } catch { return false } })()" % expression)
            if value:
                return value
            if time.monotonic() > end:
                raise Failed("%s: not within %g s; the page says %r" % (what, timeout, self.text()[:800]))
            time.sleep(0.05)

    def text(self, selector="body"):
        return self.value("(document.querySelector(%s) || {innerText: ''}).innerText" % json.dumps(selector))

    def key(self, key):
        """Presses one key: a character, or a name such as Tab, Enter or Escape."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        text = "\r" if key == "Enter" else key if len(key) == 1 else None
        number = codes.get(key) or (ord(key.upper()) if len(key) == 1 else 0)
        code = "Space" if key == " " else key if len(key) > 1 else "Key" + key.upper()
        more = {"text": text, "unmodifiedText": text} if text else {}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", key=key, code=code, windowsVirtualKeyCode=number, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=code, windowsVirtualKeyCode=number)

    def write_text(self, text):
        self.call("Input.insertText", text=text)

    def press(self, selector):
        """A click in the middle of an element, as the mouse makes it."""
        box = self.value("(() => { const e = document.querySelector(%s); e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
                         " return [b.x + b.width / 2, b.y + b.height / 2] })()" % json.dumps(selector))
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def picture(self, path, whole=True):
        data = self.call("Page.captureScreenshot", 60, format="png", captureBeyondViewport=whole)["data"]
        with open(path, "wb") as f:
            f.write(base64.b64decode(data))
