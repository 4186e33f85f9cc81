"""``python -m geopatcher``, and the command ``geopatcher``."""

import atexit
import gc

from geopatcher.cli import main


def run() -> None:
    """Run the command line in a process of its own."""
    # The system takes back what is left at the end; looking through all of it for garbage first takes
    # longer than a small raster.
    atexit.register(gc.freeze)
    main(prog_name="geopatcher")


if __name__ == "__main__":
    run()
