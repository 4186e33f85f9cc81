"""``python -m geopatcher``: the same as the command ``geopatcher``."""

from geopatcher.cli import main

if __name__ == "__main__":
    main(prog_name="geopatcher")
