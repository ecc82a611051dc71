"""What every test starts from: the same seed, one thread, no smoke mode, no network, and data folder and progress file of its own."""

from __future__ import annotations

import ipaddress
import os
import shutil
import signal
import socket
import tempfile

import hypothesis
import pytest

# Before anything imports helpers.settings, which reads the environment once.
os.environ.pop("WORKBOOK_SMOKE", None)
os.environ.pop("WORKBOOK_DEVICE", None)
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # tests run on the CPU
os.environ.setdefault("MPLBACKEND", "Agg")
OWN_DATA_FOLDER = None if os.environ.get("WORKBOOK_DATA") else tempfile.mkdtemp(prefix="workbook-data-")
if OWN_DATA_FOLDER:
    os.environ["WORKBOOK_DATA"] = OWN_DATA_FOLDER
OWN_PROGRESS_FOLDER = tempfile.mkdtemp(prefix="workbook-progress-")
os.environ["WORKBOOK_PROGRESS"] = os.path.join(OWN_PROGRESS_FOLDER, "of-subprocesses.json")

# A subprocess has no guard on its sockets: what it asks of the web goes to a port where nobody answers.
for scheme in ("http", "https"):
    os.environ[f"{scheme}_proxy"] = os.environ[f"{scheme.upper()}_PROXY"] = "http://127.0.0.1:9"
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "localhost,127.0.0.1,::1"

hypothesis.settings.register_profile("workbook", deadline=None, derandomize=True)
hypothesis.settings.load_profile("workbook")


def pytest_configure(config: pytest.Config) -> None:
    import torch

    torch.set_num_threads(1)  # two threads that wait for each other on busy cores are slower than one
    if (
        signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    ):  # in the background job of a shell, and so in every process we start
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    if OWN_DATA_FOLDER:
        shutil.rmtree(OWN_DATA_FOLDER, ignore_errors=True)
    shutil.rmtree(OWN_PROGRESS_FOLDER, ignore_errors=True)


class NetworkRefused(OSError):
    """A test asked for an address outside this machine. An OSError, as a machine without network would raise."""


def is_local(host: object) -> bool:
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:  # a name
        return False


@pytest.fixture(autouse=True, scope="session")
def no_network():
    """Only loopback addresses can be reached, and only their names resolved."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def refuse_remote(host: object) -> None:
        if not is_local(host):
            raise NetworkRefused(f"tests are kept off the network, and this one asked for {host!r}")

    def guarded(original):
        def call(self, address):
            if self.family in (socket.AF_INET, socket.AF_INET6):
                refuse_remote(address[0])
            return original(self, address)

        return call

    def guarded_getaddrinfo(host, *args, **kwargs):
        refuse_remote(host)
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(connect))
        patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


@pytest.fixture(autouse=True)
def same_seed():
    """Every test starts from seed 0, float32 and checked distributions, whatever ran before it."""
    import torch
    from torch.distributions import Distribution

    from helpers import settings

    settings.seed_everything(0)
    torch.set_default_dtype(torch.float32)
    Distribution.set_default_validate_args(True)  # torch.compile switches it off for the process
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(autouse=True)
def own_progress(monkeypatch: pytest.MonkeyPatch):
    """Every test has its own progress file, which does not exist yet."""
    from helpers import settings

    with tempfile.TemporaryDirectory(dir=OWN_PROGRESS_FOLDER) as folder:
        monkeypatch.setattr(settings, "_PROGRESS", os.path.join(folder, "progress.json"))
        yield
