"""`python -m bootstrap`: see cli.py."""

from bootstrap.cli import main

if __name__ == "__main__":
    main()
