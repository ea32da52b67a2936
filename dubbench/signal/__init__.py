"""The content of sound and video files and measurements of it, on one clock. Knows no run."""
