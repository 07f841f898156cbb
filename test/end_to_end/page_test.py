# SPDX-License-Identifier: Apache-2.0
"""The inspection page in headless Chromium, driven by chromedriver's W3C calls, on a daemon under load.

NYDUS_PAGE_SCREENSHOT=FILE.png keeps a picture of the page."""
import base64
import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse
import urllib.request

from harness import BLOBS, Daemon, NYDUSCTL, TREE_IMAGES, config, image, needs_fixtures

CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1360,1500"]
TAB, ENTER, DOWN = "\ue004", "\ue007", "\ue015"

# Every text's contrast with what lies behind it; those that are too low.
CONTRAST = """
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const low = [];
  for (const one of document.querySelectorAll("h1, h2, a, button, select, input, label, th, td, dt, dd, span, p, caption")) {
    if (!one.textContent.trim() || one.getAttribute("aria-hidden")) continue;
    let behind = one;
    while (behind && (rgb(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
    const [a, b] = [light(rgb(getComputedStyle(one).color)), light(rgb(getComputedStyle(behind ?? document.body).backgroundColor))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) low.push(`${one.tagName} ${one.className} "${one.textContent.trim().slice(0, 30)}" ${contrast.toFixed(2)}`);
  }
  return low;
"""


class Browser:
    """One chromedriver with one headless Chromium."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="nydus-page-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.log = open(os.path.join(self.profile, "driver.log"), "wb")
        self.driver = subprocess.Popen([CHROMEDRIVER, f"--port={port}"], stdout=self.log, stderr=self.log)
        self.session = f"http://127.0.0.1:{port}"
        try:
            for _ in range(300):
                with contextlib.suppress(OSError):
                    if self.call("GET", "/status")["ready"]:
                        break
                time.sleep(0.1)
            options = {"binary": CHROMIUM, "args": [*ARGUMENTS, f"--user-data-dir={self.profile}/profile"]}
            made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})
            self.session += "/session/" + made["sessionId"]
        except BaseException:
            self.__exit__()
            raise

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.session + path, method=method, headers={"Content-Type": "application/json"},
                                         data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait_for(self, script, seconds=60):
        """The first true value of the script."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            value = self.run(script)
            if value:
                return value
            time.sleep(0.2)
        raise AssertionError("this never came true: " + script + "\n" + self.run("return document.body.innerText")[:3000])

    def press(self, key):
        keys = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": keys}]})

    def prefer(self, scheme):
        self.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]}})

    def keep_picture(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("GET", "/screenshot")))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Exception):
            if "/session/" in self.session:
                self.call("DELETE", "")
        self.driver.terminate()
        self.driver.wait(30)
        self.log.close()
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    """`nydusctl page` on a port that the kernel chooses."""

    def __init__(self, daemon):
        self.process = subprocess.Popen([NYDUSCTL, "--sock", daemon.socket, "page", "--listen", "127.0.0.1:0"],
                                        stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[4]
        self.port = urllib.parse.urlsplit(self.url).port

    def ask(self, method, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.status = self.process.wait(10)
        self.process.stdout.close()


@contextlib.contextmanager
def load_on(paths):
    """Reads files there, over and over."""
    files = [os.path.join(folder, name) for path in paths for folder, _, names in os.walk(path) for name in names]
    files = [file for file in files if os.path.isfile(file) and not os.path.islink(file)]
    ending = threading.Event()

    def read():
        while not ending.wait(0.02):
            for file in files[::len(files) // 60]:
                with contextlib.suppress(OSError), open(file, "rb") as opened:  # the daemon may have ended
                    os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                    opened.read(65536)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        ending.set()
        reader.join()


@needs_fixtures
class PageServer(unittest.TestCase):
    def test_it_only_looks_and_only_for_this_machine(self):
        with Daemon() as daemon, Page(daemon) as page:
            status, text, headers = page.ask("GET", "/")
            self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
            self.assertIn(b"/page.js", text)
            self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
            self.assertNotIn(b"//", text.split(b"-->", 2)[2].replace(b"http://www.w3.org", b""))  # nothing from elsewhere
            for path in ("/page.css", "/page.js", "/api/v1/actors", "/metrics", "/api/v1/trace?slowest=5"):
                self.assertEqual(page.ask("GET", path)[0], 200, path)
            for path in ("/api/v1/daemon", "/api/v1/daemon/exit", "/page.html", "/../etc/passwd", "/api/v1/mount?mountpoint=/a"):
                self.assertEqual(page.ask("GET", path)[0], 404, path)
            for method in ("PUT", "POST", "DELETE", "OPTIONS"):
                self.assertEqual(page.ask(method, "/api/v1/daemon/exit")[0], 405, method)
            for host in ("evil.example", f"evil.example:{page.port}", "127.0.0.1.evil.example"):
                self.assertEqual(page.ask("GET", "/api/v1/actors", Host=host)[0], 403, host)
            self.assertEqual(page.ask("GET", "/", Host=f"localhost:{page.port}")[0], 200)
            self.assertEqual(page.ask("GET", "/api/v1/trace?slowest=0")[0], 400)  # the daemon's own refusal
            daemon.stop()
            status, text, _ = page.ask("GET", "/api/v1/actors")
            self.assertEqual(status, 502)
            self.assertIn(b"is a nydusd running", text)
        self.assertEqual(page.status, 0)


@needs_fixtures
@unittest.skipUnless(CHROMIUM and CHROMEDRIVER, "no chromium and chromium-driver")
class PageInBrowser(unittest.TestCase):
    def test_it_shows_the_daemon_at_work_and_the_keyboard_is_enough(self):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            daemon = stack.enter_context(Daemon())
            mounts = ["/registry/alpine", "/registry/redis", "/jobs/build-7"]
            blobs = shutil.copytree(BLOBS, os.path.join(folder, "blobs"))
            for number, mountpoint in enumerate(mounts):
                settings = config(blobs, os.path.join(folder, f"cache-{number}"))
                self.assertEqual(daemon.mount(mountpoint, image(TREE_IMAGES[number]), settings)[0], 204)
            stack.enter_context(load_on([daemon.path(mountpoint[1:]) for mountpoint in mounts]))
            page = stack.enter_context(Page(daemon))
            browser = stack.enter_context(Browser())
            browser.call("POST", "/url", {"url": page.url})
            browser.wait_for("return document.getElementById('state').textContent === 'live'")
            self.see_sections(browser, mounts)
            self.use_keyboard(browser)
            for scheme in ("light", "dark"):
                browser.prefer(scheme)
                self.assertEqual(browser.run(CONTRAST), [], scheme)
            origins = browser.run("return performance.getEntriesByType('resource').map(one => new URL(one.name).origin)")
            self.assertEqual(set(origins), {page.url.rstrip("/")})
            self.take_picture(browser)
            daemon.stop()
            browser.wait_for("return document.getElementById('state').className === 'lost'")

    def see_sections(self, browser, mounts):
        text_of = "return document.querySelector('#{} tbody').innerText"
        browser.wait_for("return document.querySelectorAll('#mounts tbody tr').length === 3 && "
                         "Number(document.querySelector('#mounts tbody td:nth-child(2)').textContent) > 0")
        for mountpoint in mounts:
            self.assertIn(mountpoint, browser.run(text_of.format("mounts")))
        for kind in ("rafs_mount", "fuse_port", "mount_supervisor", "blob_fetcher", "api_front"):
            self.assertIn(kind, browser.run(text_of.format("actors")))
        self.assertIn("localfs", browser.run(text_of.format("backends")))
        self.assertIn("reactor-0", browser.run(text_of.format("reactors")))
        self.assertEqual(browser.run("return document.querySelector('[data-name=Mounts]').textContent"), "3")

    def use_keyboard(self, browser):
        active = "const one = document.activeElement; return [one.tagName, one.className, one.id, " \
                 "getComputedStyle(one).outlineStyle, !!one.closest('#request-list')]"
        browser.press(TAB)
        self.assertEqual(browser.run(active)[:2], ["A", "skip"])
        seen = []
        for _ in range(20):
            browser.press(TAB)
            seen.append(browser.run(active))
            if seen[-1][4]:
                break
        self.assertTrue(seen[-1][4], seen)
        self.assertTrue(all(one[3] == "solid" for one in seen), seen)  # the focus can be seen everywhere
        self.assertEqual([one[2] for one in seen if one[2]], ["pause", "order", "of-mount"])
        browser.press(DOWN)
        browser.press(ENTER)
        rows = browser.wait_for("return [...document.querySelectorAll('#waterfall tbody tr')].map(row => row.innerText)")
        self.assertTrue(any(row.startswith("received") for row in rows), rows)
        self.assertTrue(any(row.startswith("mount") for row in rows), rows)
        self.assertEqual(browser.run("return document.activeElement.getAttribute('aria-current')"), "true")

    def take_picture(self, browser):
        path = os.environ.get("NYDUS_PAGE_SCREENSHOT")
        if not path:
            return
        # A request that had to fetch shows the most steps.
        browser.wait_for("const slow = [...document.querySelectorAll('#request-list button')]"
                         ".find(one => one.request.fetches.length); slow?.click(); slow?.focus(); return slow")
        for scheme in ("dark", "light"):
            browser.prefer(scheme)
            browser.keep_picture(path.replace(".png", f"-{scheme}.png"))


if __name__ == "__main__":
    unittest.main()
