"""`python -m pulseq`, the same as `pulseq`."""

from pulseq.cli.entry import main

if __name__ == "__main__":
    main()
