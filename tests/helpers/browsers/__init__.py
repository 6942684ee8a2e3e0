"""Browsers as a person at the keyboard: Chromium, Firefox and WebKit (the engine of Safari), a file each."""

from browsers.base import Browser
from browsers.chromium import Chromium
from browsers.firefox import Firefox
from browsers.webkit import WebKit

BROWSERS: dict[str, type[Browser]] = {"chromium": Chromium, "firefox": Firefox, "webkit": WebKit}

__all__ = ["BROWSERS", "Browser", "Chromium", "Firefox", "WebKit"]
