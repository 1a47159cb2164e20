"""`python -m mishran`: the command line, for torchrun and for environments without its script."""

from mishran.cli.main import script

if __name__ == "__main__":
    script()
