import signal

from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure: nothing here is timed
settings.load_profile("untimed")

# A background job of a shell starts with SIGINT ignored, and so do its children; the tests that press Ctrl-C
# mean it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
