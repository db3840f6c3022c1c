"""`python -m graf_cli` is `graf`."""

from graf_cli.cli.main import run

if __name__ == "__main__":
    run()
