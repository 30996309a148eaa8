"""A Google Drive on loopback: gdown reaches it by a proxy that ends every connection here."""

import contextlib
import socketserver
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

HOSTS = ("drive.google.com", "docs.google.com", "drive.usercontent.google.com")


class LoopbackDrive:
    """What the folder holds and how it answers.

    Attributes:
        files: name -> bytes.
        confirm: ask for a confirmation first, as for large files.
        cut: number of downloads to break off in the middle.
        status: of the folder's page.
        requests: paths that were asked for.
        dribble: send a byte now and then.
        number: how often the files were replaced, which gives them other ids.
    """

    def __init__(self):
        self.files, self.confirm, self.cut, self.status, self.requests = {}, False, 0, 200, []
        self.dribble, self.number = False, 0

    def id_of(self, name):
        return f"{name.replace('.', '-'):x<29}{self.number}"


def make_certificate(folder):
    """A certificate for Google's hosts that nobody else trusts: paths of it and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = ",".join(f"DNS:{host}" for host in HOSTS)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={HOSTS[0]}", "-addext", f"subjectAltName={names}"),
            *("-out", certificate, "-keyout", key),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@contextlib.contextmanager
def serve(drive, certificate, key):
    """The address of a proxy through which every host is `drive`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(_Handler):
        pass

    Handler.drive, Handler.context = drive, context
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def do_GET(self):
        self.drive.requests.append(self.path)
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path == "/embeddedfolderview":
            return self._page(self._folder(), self.drive.status)
        name = next((n for n in self.drive.files if self.drive.id_of(n) == query.get("id")), None)
        if name is None:
            return self._page("<html><title>gone</title></html>", 404)
        if self.drive.confirm and "confirm" not in query:
            return self._page(
                "<html><title>Google Drive - Virus scan warning</title>"
                f'<form id="download-form" action="https://{HOSTS[2]}/download" method="get">'
                f'<input type="hidden" name="id" value="{query["id"]}">'
                '<input type="hidden" name="confirm" value="t"></form></html>'
            )
        return self._file(name)

    def _folder(self):
        links = "".join(
            f'<a href="https://drive.google.com/file/d/{self.drive.id_of(name)}/view">{name}</a>'
            for name in self.drive.files
        )
        return f"<html><head><title>shared</title></head><body>{links}</body></html>"

    def _page(self, text, status=200):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _file(self, name):
        data = self.drive.files[name]
        start = int(self.headers.get("Range", "bytes=0-").split("=")[1].rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Disposition", f'attachment; filename="{name}"')
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if self.drive.cut:
            self.drive.cut -= 1
            self.wfile.write(data[start : start + (len(data) - start) // 2])
            self.close_connection = True
            return
        with contextlib.suppress(OSError):
            while self.drive.dribble and start < len(data):
                self.wfile.write(data[start : start + 1])
                start += 1
                time.sleep(0.02)
            self.wfile.write(data[start:])
