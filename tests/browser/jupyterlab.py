"""JupyterLab as the tests use it: one server on a copy of the lessons, and one page a notebook."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import matplotlib
from playwright.sync_api import BrowserContext, Error, Page

ROOT = Path(__file__).parents[2]
TOKEN = "browser-tests"
START_SECONDS = 90
RUN_SECONDS = 240
SETTINGS = {
    # Or a question about news covers the page.
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # Else cells that are scrolled out of sight are not in the page.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}
READY = """() => {
  const session = window.jupyterapp?.shell?.currentWidget?.context?.sessionContext;
  return !!session?.isReady && session.session?.kernel?.connectionStatus === "connected" && session.session.kernel.status === "idle";
}"""


class Server:
    """JupyterLab on a free loopback port, with settings of its own, over a copy of the lessons: autosave reaches no checkout."""

    def __init__(self, folder: Path):
        self.folder, self.lessons, self.log = folder, folder / "lessons", folder / "jupyterlab.log"
        for part in ("notebooks", "lessons_src"):
            shutil.copytree(
                ROOT / part, self.lessons / part, ignore=shutil.ignore_patterns(".ipynb_checkpoints", "solutions")
            )
        shutil.copy(ROOT / "pyproject.toml", self.lessons)
        for name, content in SETTINGS.items():
            path = folder / "settings" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content), encoding="utf-8")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """Smoke mode, folders of its own (a learner's progress among them), and matplotlib's fonts as they were found before."""
        own = {f"JUPYTER_{name}_DIR": str(self.folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
        own |= {"JUPYTERLAB_SETTINGS_DIR": str(self.folder / "settings")}
        own |= {"JUPYTERLAB_WORKSPACES_DIR": str(self.folder / "workspaces")}
        home = {"HOME": str(self.folder / "home")} | {
            f"XDG_{name}_HOME": str(self.folder / "home" / name.lower())
            for name in ("CACHE", "CONFIG", "DATA", "STATE")
        }
        return {**os.environ, **own, **home, "WORKBOOK_SMOKE": "1", "MPLCONFIGDIR": matplotlib.get_cachedir()}

    @contextmanager
    def running(self) -> Iterator[Server]:
        """Started, and stopped with all its kernels."""
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={self.port}"]
        command += [
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={TOKEN}",
            f"--ServerApp.root_dir={self.lessons}",
        ]
        command += ["--LabApp.expose_app_in_browser=True", *(["--allow-root"] if os.getuid() == 0 else [])]
        with self.log.open("w") as log:
            process = subprocess.Popen(command, env=self.environment(), stdout=log, stderr=log, cwd=self.lessons)
        try:
            self._wait(process)
            yield self
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()

    def _wait(self, process: subprocess.Popen) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.2)
        end = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RuntimeError(
            f"JupyterLab did not answer on port {self.port} within {START_SECONDS} s. Its last words:\n{end}"
        )


class Notebook:
    """A notebook open in a page of its own. `complaints` holds what the page's console said in anger, `strays` every
    request that would have left this machine."""

    def __init__(self, server: Server, context: BrowserContext, name: str):
        self.name, self.complaints, self.strays = name, [], []
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        self.page.route(re.compile(rf"^(?!{re.escape(server.address)}|data:|blob:)"), self._stray)
        self.page.goto(f"{server.address}/lab/workspaces/{name}/tree/notebooks/{name}.ipynb?token={TOKEN}")
        self.page.wait_for_function(READY, timeout=1000 * START_SECONDS)

    def _stray(self, route: Any) -> None:
        self.strays.append(route.request.url)
        route.abort()

    def run_all(self) -> None:
        """Run All, to the end, with the kernel idle and every message drawn."""
        self.page.evaluate("async () => { await window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        self.settle()

    def settle(self) -> None:
        """Until no cell is running or waiting."""
        idle = """() => {
          const widget = window.jupyterapp.shell.currentWidget;
          const busy = widget.content.widgets.some(cell => cell.model.type === "code" && cell.prompt === "*");
          return !busy && widget.context.sessionContext.session?.kernel?.status === "idle";
        }"""
        self.page.wait_for_function(idle, timeout=1000 * RUN_SECONDS)

    def outputs(self) -> list[tuple[int, dict[str, Any]]]:
        """(cell, output) as the notebook format has them."""
        return self.page.evaluate("""() => {
          const found = [];
          window.jupyterapp.shell.currentWidget.content.widgets.forEach((cell, index) => {
            const outputs = cell.model.outputs;
            for (let i = 0; i < (outputs?.length ?? 0); i++) found.push([index, outputs.get(i).toJSON()]);
          });
          return found;
        }""")

    def cell_with(self, words: str) -> int:
        """The number of the first code cell that holds `words`."""
        sources = self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.widgets.map("
            "cell => cell.model.type === 'code' ? cell.model.sharedModel.getSource() : '')"
        )
        return next(index for index, source in enumerate(sources) if words in source)

    def source(self, cell: int) -> str:
        return self.page.evaluate(
            "i => window.jupyterapp.shell.currentWidget.content.widgets[i].model.sharedModel.getSource()", cell
        )

    def type_and_run(self, cell: int, source: str) -> str:
        """Replace a cell's text through the keyboard, run it with Ctrl+Enter, and return its output's HTML."""
        shown = self.page.locator(".jp-Notebook .jp-Cell").nth(cell)
        shown.locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_timeout(100)
        self.settle()
        return shown.locator(".jp-OutputArea-output").first.inner_html()

    def close(self) -> None:
        """Stop the kernel, without a question about unsaved changes."""
        with suppress(Error):  # where the page is gone, the server stops the kernel at the end
            self.page.evaluate(
                "async () => { await window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown(); }"
            )
        self.page.close()
