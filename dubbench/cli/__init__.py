"""The command line: words, options, exit codes."""
