"""Where a model is loaded from, and which revision of it that is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from rankkit import RankkitError
from rankkit.plugin import reason_of, say

ASKED = 10.0  # seconds that the hub may take to say whether a model is there
WEIGHTS = (".safetensors", ".bin")


@dataclass(frozen=True)
class ModelSource:
    """A model by its `name`, a folder or hub id; `place` is that, or the folder of the hub's cache."""

    name: str
    place: str

    def revision(self, config: object) -> str:
        """12 hex digits: the commit on the hub; of a folder, a hash of its weights' names, sizes, times."""
        folder = Path(self.name)
        if folder.is_dir():
            states = [
                (path.name, path.stat().st_size, path.stat().st_mtime_ns)
                for path in sorted(folder.iterdir())
                if path.suffix in WEIGHTS
            ]
            return hashlib.sha256(repr(states).encode()).hexdigest()[:12]
        if self.place != self.name:
            return Path(self.place).name[:12]
        return str(getattr(config, "_commit_hash", None) or "unknown")[:12]


def locate(name: str) -> ModelSource:
    """Where a model is loaded from: as it is named, or where the hub does not answer its folder in the cache.

    The libraries would try again for half a minute, for every file. Raises `RankkitError` where it is not in
    the cache either.
    """
    if Path(name).is_dir():
        return ModelSource(name, name)
    try:
        HfApi().model_info(name, timeout=ASKED)
        return ModelSource(name, name)
    except (HfHubHTTPError, HFValidationError):
        return ModelSource(name, name)  # whoever loads it says why it is not given
    except Exception as error:  # of whatever HTTP library the client is built on
        why = f"the hub cannot be asked for it ({reason_of(error)})"
    try:
        folder = snapshot_download(name, local_files_only=True)
    except (OSError, ValueError):
        raise RankkitError(
            f"model={name} cannot be loaded: there is no such folder, {why}, and its cache does not hold it; "
            "give a folder or a hub name, or a server's url="
        ) from None
    say(f"model={name}: {why}, so what its cache holds is taken")
    return ModelSource(name, folder)
