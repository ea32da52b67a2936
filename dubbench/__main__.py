"""``python -m dubbench``."""

from dubbench.cli.main import main

if __name__ == "__main__":
    main()
