"""``python -m dubbench``."""

from dubbench.cli import main

if __name__ == "__main__":
    main()
