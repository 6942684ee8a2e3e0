"""The wheels by themselves, in clean environments of every Python: the core's, and those of all plugins."""
