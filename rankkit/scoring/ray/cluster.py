"""Ray, connected to a cluster without a word of its own on the terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rankkit.core.binding import describe
from rankkit.errors import RankkitError, UsageError
from rankkit.scoring.ray.said import keep_apart

CONNECT = 5.0  # seconds within which a cluster must answer
ANSWER = 20.0  # seconds within which the head of one that is in use must say that it is there
QUIET = {  # what Ray says on its own account, on the terminal of others
    **{
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
        "RAY_BACKEND_LOG_LEVEL": "fatal",
    },
    **{"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_DISABLE_IMPORT_WARNING": "1"},
}


def connected() -> Any:
    """Ray, connected to the cluster that RAY_ADDRESS names, to one that runs on this machine or to one that
    is started here; it says nothing.

    Raises `UsageError` where it is not installed, `RankkitError` where there is no cluster at that address.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise UsageError("--engine ray needs Ray: pip install 'rankkit-t2i[ray]'") from None
    if ray.is_initialized():
        return ray
    address = os.environ.get("RAY_ADDRESS", "")
    _check_reachable(address)
    here = None if address or _runs_here() else "local"
    keep_apart(ray)
    with _no_stderr():
        for last in (False, True):  # on a busy machine a start may take longer than Ray waits for it
            try:
                log = logging.CRITICAL
                ray.init(here, include_dashboard=False, log_to_driver=False, logging_level=log)
                break
            except Exception as error:
                ray.shutdown()
                if last or address:
                    where = f"the Ray cluster at {address}" if address else "a Ray cluster on this machine"
                    why = describe(error).splitlines()[0]
                    raise RankkitError(f"{where} cannot be used: {why}; {_WITHOUT}") from None
    return ray


def has_gpus() -> bool:
    """Whether the cluster has GPUs. Raises as `connected` does."""
    return bool(connected().cluster_resources().get("GPU", 0) >= 1)


def gone(ray: Any) -> str:
    """Why the cluster cannot go on with what this program asked of it; empty while it can.

    Workers that die are started anew by the node, and nodes by whoever runs the cluster; without this
    program's own node, which holds its objects, nothing reaches it any more.
    """
    answer: list[bool] = []

    def look() -> None:
        own = ray.get_runtime_context().get_node_id()
        answer.append(any(node["Alive"] for node in ray.nodes() if node["NodeID"] == own))

    thread = threading.Thread(target=look, daemon=True)  # where its head is gone, Ray answers nothing at all
    thread.start()
    thread.join(ANSWER)
    if not answer:
        return f"its head gave no answer within {ANSWER:.0f} seconds"
    return "" if answer[0] else "the node of this program (its raylet) died"


_WITHOUT = "start it (ray start --head), unset RAY_ADDRESS to use this machine, or leave --engine ray out"


def _runs_here() -> bool:
    """Whether a cluster answers that was started on this machine and not stopped.

    Ray tries for minutes to reach one that is gone, if nobody stopped it.
    """
    noted = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir(), "ray", "ray_current_cluster")
    try:
        _check_reachable(noted.read_text("utf-8").strip())
    except (OSError, ValueError, RankkitError):
        return False
    return True


def _check_reachable(address: str) -> None:
    """Ray itself would try for minutes."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"RAY_ADDRESS={address!r} is no address: {error}; give HOST:PORT") from None
    if not host or not port:  # "auto", "local" or nothing
        return
    try:
        socket.create_connection((host, port), CONNECT).close()
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise RankkitError(
            f"there is no Ray cluster at RAY_ADDRESS={address} ({reason}); {_WITHOUT}"
        ) from None


@contextlib.contextmanager
def _no_stderr() -> Iterator[None]:
    """Keep from the terminal what C++ writes to file descriptor 2."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
