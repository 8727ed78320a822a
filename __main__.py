"""`python -m vitrify` is the command `vitrify`."""

from .cli import main

if __name__ == "__main__":
    main(prog_name="vitrify")
