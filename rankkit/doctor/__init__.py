"""What is here and what is wrong with it: packages, devices, caches, network, rankers. Nothing is changed."""

from rankkit.doctor.examine import examine
from rankkit.doctor.findings import Finding

__all__ = ["Finding", "examine"]
