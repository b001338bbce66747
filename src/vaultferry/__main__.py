"""`python -m vaultferry` is the `vaultferry` command."""

from vaultferry.cli import main

if __name__ == "__main__":
    main(prog_name="vaultferry")
