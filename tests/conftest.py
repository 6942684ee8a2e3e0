import signal

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure: nothing here is timed
settings.load_profile("untimed")

# A background job of a shell starts with SIGINT ignored, and so do its children; the tests that press Ctrl-C
# mean it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of the test's own that is the current one: what it makes is named as a user would."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
