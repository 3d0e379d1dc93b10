"""`python -m pulseq`, the same as `pulseq`."""

from pulseq.cli.main import main

if __name__ == "__main__":
    main()
