"""The examination: every topic in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from rankkit.doctor import devices, network, packages, rankers, storage
from rankkit.doctor.findings import Finding, masked


def examine() -> Iterator[Finding]:
    """Everything that was found, as it is found. Secrets are masked, and the user's home is ``~``.

    Nothing is changed, downloaded or asked over the network. torch, if it is installed, is asked for its
    devices in a process of its own, for at most a minute.
    """
    for topic in (packages, devices, storage, network, rankers):
        for found in topic.findings():
            yield dataclasses.replace(found, text=masked(found.text), advice=masked(found.advice))
