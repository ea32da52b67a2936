"""What a sound or video file holds and what can be measured in it, on one clock. Knows no run."""
