"""A model behind an OpenAI-compatible server: requests, what it takes, what its answers and failures mean."""

from rankkit_vlm_judge.server.chat import Chat
from rankkit_vlm_judge.server.fields import Fields, read_fields
from rankkit_vlm_judge.server.http import Server

__all__ = ["Chat", "Fields", "Server", "read_fields"]
