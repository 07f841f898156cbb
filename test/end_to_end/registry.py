# SPDX-License-Identifier: Apache-2.0
"""A real registry (Debian's docker-registry) on loopback, and what puts blobs into it."""
import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
PROGRAM = shutil.which("docker-registry", path=os.environ.get("PATH", "") + ":" + os.path.join(ROOT, "build/registry"))
USER = "dXNlcjpwYXNzd29yZA=="  # user:password
PASSWORDS = "user:$2y$05$/87GqbeK8CcfnnHgWztUcOMY3OCvneLiu7mR0j99U.QFc18JZY.3C\n"  # the same


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Registry:
    """Runs in `folder`; with a password if `guarded`, and TLS if `encrypted`: `certificate` then is the path of its own."""

    def __init__(self, folder, guarded=False, encrypted=False):
        self.folder = folder
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.guarded = guarded
        self.certificate = os.path.join(folder, "certificate.pem") if encrypted else None
        lines = ["version: 0.1", "storage:", f"  filesystem: {{rootdirectory: {folder}/store}}", "http:", f"  addr: {self.host}",
                 "log: {level: error, accesslog: {disabled: true}}"]
        if encrypted:
            key = os.path.join(folder, "key.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                            "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", self.certificate], check=True, stderr=subprocess.DEVNULL)
            lines.insert(5, f"  tls: {{certificate: {self.certificate}, key: {key}}}")
        if guarded:
            with open(os.path.join(folder, "passwords"), "w") as file:
                file.write(PASSWORDS)
            lines.append(f"auth: {{htpasswd: {{realm: here, path: {folder}/passwords}}}}")
        with open(os.path.join(folder, "config.yml"), "w") as file:
            file.write("\n".join(lines) + "\n")
        self.log = open(os.path.join(folder, "log"), "ab")
        self.start()

    def start(self):
        self.process = subprocess.Popen([PROGRAM, "serve", os.path.join(self.folder, "config.yml")], stdout=self.log, stderr=self.log)
        for _ in range(200):
            try:
                return self.call("GET", "/v2/")
            except OSError:
                assert self.process.poll() is None, open(self.log.name).read()
                time.sleep(0.05)
        raise AssertionError("the registry does not answer")

    def call(self, method, target, body=None):
        """(status, Location header)"""
        if self.certificate:
            connection = http.client.HTTPSConnection(self.host, timeout=10, context=ssl.create_default_context(cafile=self.certificate))
        else:
            connection = http.client.HTTPConnection(self.host, timeout=10)
        try:
            connection.request(method, target, body, {"Authorization": "Basic " + USER} if self.guarded else {})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.getheader("Location")
        finally:
            connection.close()

    def push(self, repo, blob_id, path):
        status, place = self.call("POST", f"/v2/{repo}/blobs/uploads/")
        assert status == 202, status
        place = place[place.index("/v2/"):]
        with open(path, "rb") as blob:
            status, _ = self.call("PUT", f"{place}{'&' if '?' in place else '?'}digest=sha256:{blob_id}", blob.read())
        assert status == 201, status

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


def config(registry, repo, work_dir, **more):
    """A v1 configuration of that registry."""
    scheme = "https" if registry.certificate else "http"
    return {"device": {"backend": {"type": "registry", "config": {"scheme": scheme, "host": registry.host, "repo": repo, **more}},
                       "cache": {"type": "blobcache", "config": {"work_dir": work_dir}}}, "mode": "direct"}
