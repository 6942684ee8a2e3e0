"""`rankkit serve` in a process of its own, which a test may kill and start again at the same address."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from processes import Running

ROOT = Path(__file__).parents[2]


class Served(Running):
    """A ranker that is served until `kill`; `start` serves it again, at the same port."""

    def __init__(self, spec: str, folder: Path) -> None:
        self.spec, self.folder, self.port = spec, folder, 0
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "rankkit", "serve", self.spec, "--port", str(self.port)]
        path = [str(self.folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path)), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, cwd=self.folder, env=environment
        )
        assert self.process.stderr is not None
        first = self.process.stderr.readline()
        self.url = first.split(" at ")[1].split(";")[0]
        self.port = int(self.url.rpartition(":")[2])
