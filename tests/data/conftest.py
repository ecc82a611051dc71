"""An empty data folder, the real one, and a loopback server that stands for the data sets' addresses."""

from __future__ import annotations

import gzip
import hashlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from helpers import settings
from helpers.data.download import store
from helpers.data.download.manifest import DataFile


@pytest.fixture
def data_folder(tmp_path, monkeypatch) -> Path:
    """An empty data folder, and an empty user cache folder beside it; not in smoke mode."""
    folder = tmp_path / "data"
    monkeypatch.setattr(settings, "SMOKE", False)
    monkeypatch.setattr(settings, "data_dir", lambda: folder)
    monkeypatch.setattr(store.settings, "cache_dir", lambda: tmp_path / "cache")
    return folder


@pytest.fixture
def real_data() -> Path:
    """The data folder that WORKBOOK_DATA names, with real files in it."""
    folder = settings.data_dir()
    if not (folder / "MNIST/raw").is_dir():
        pytest.skip("WORKBOOK_DATA names no folder with the real files")
    return folder


@dataclass
class Server:
    """Serves `pages` (path -> bytes). A page is given out whole only once `hold` requests for it have begun, after `delay` seconds."""

    address: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)
    requests: Counter = field(default_factory=Counter)
    hold: int = 0
    delay: float = 0.0
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def data_file(self, contents: bytes, path: str = "set/raw/pixels", zipped: bool = True) -> DataFile:
        """Publish `contents`, and describe them as the manifest would."""
        page = f"/{path}.gz" if zipped else f"/{path}"
        self.pages[page] = gzip.compress(contents, mtime=0) if zipped else contents
        return DataFile(path, len(contents), hashlib.sha256(contents).hexdigest(), (self.address + page,))


@pytest.fixture
def server():
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(with_body=False)

        def do_GET(self):
            self.answer(with_body=True)

        def answer(self, with_body: bool):
            body = state.pages.get(self.path)
            time.sleep(state.delay)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            if body is None or not with_body:
                return
            with state.arrived:
                state.requests[self.path] += 1
                state.arrived.notify_all()
            try:
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                with state.arrived:
                    state.arrived.wait_for(lambda: state.requests[self.path] >= state.hold, timeout=20)
                self.wfile.write(body[len(body) // 2 :])
            except OSError:  # the client only wanted to know where the address leads
                pass

        def log_message(self, *_):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    state.address = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield state
    httpd.shutdown()
    httpd.server_close()
