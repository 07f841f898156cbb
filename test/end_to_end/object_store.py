# SPDX-License-Identifier: Apache-2.0
"""An object store on loopback that serves a directory's files by ranges and checks every signature, as OSS and S3 specify them."""
import base64
import hashlib
import hmac
import http.server
import os
import re
import threading

KEY_ID, SECRET, REGION, BUCKET = "KEY123", "s3cr3t+/=", "eu-north-1", "images"


def hmac_sha256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def oss_signature(headers, path, host):
    """Of a request in OSS's first version of signatures; names are in the host's first label."""
    text = "\n".join(["GET", headers.get("Content-MD5", ""), headers.get("Content-Type", ""), headers["Date"], f"/{host.split('.')[0]}{path}"])
    return f"OSS {KEY_ID}:" + base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).digest()).decode()


def s3_signature(headers, path):
    """Of a request in AWS Signature Version 4, over the headers that it says it signed."""
    stamp = headers["x-amz-date"]
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    signed = re.search("SignedHeaders=([^,]*)", headers["Authorization"])[1]
    assert "host" in signed.split(";"), signed
    content = headers.get("x-amz-content-sha256", hashlib.sha256(b"").hexdigest())
    lines = [f"{name}:{' '.join(headers[name].split())}" for name in signed.split(";")]
    canonical = "\n".join(["GET", path, "", *lines, "", signed, content])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = hmac_sha256(("AWS4" + SECRET).encode(), stamp[:8])
    for part in (REGION, "s3", "aws4_request"):
        key = hmac_sha256(key, part)
    return (f"AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders={signed}, "
            f"Signature={hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}")


class ObjectStore:
    """`kind`: oss or s3; objects are PREFIX + name of the files in `folder`."""

    def __init__(self, kind, folder, prefix="nydus/"):
        store = self
        self.refused = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                wanted = (oss_signature(self.headers, self.path, self.headers["Host"]) if kind == "oss" else
                          s3_signature(self.headers, self.path))
                if self.headers["Authorization"] != wanted:
                    store.refused.append((self.path, self.headers["Authorization"], wanted))
                    return self.answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
                start = f"/{prefix}" if kind == "oss" else f"/{BUCKET}/{prefix}"
                path = os.path.join(folder, self.path.removeprefix(start))
                if not self.path.startswith(start) or not os.path.isfile(path):
                    return self.answer(404)
                first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
                with open(path, "rb") as blob:
                    size = os.fstat(blob.fileno()).st_size
                    blob.seek(first)
                    part = blob.read(last - first + 1)
                return self.answer(206, part, Content_Range=f"bytes {first}-{first + len(part) - 1}/{size}")

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
