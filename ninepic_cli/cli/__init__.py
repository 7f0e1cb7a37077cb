"""The command line: options, help, completions, man pages."""
