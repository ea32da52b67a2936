"""The nouns (clip, request, system, metric, identity) and how a plugin is found."""
