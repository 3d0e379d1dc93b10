"""Makes `.venv`: with a module of its own, and pytest as the interpreter that runs this has it."""

import sys
import sysconfig
import venv
from pathlib import Path

PLACE = Path(".venv")

venv.create(PLACE, clear=True, symlinks=True)
packages = PLACE / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
(packages / "only_in_this_environment.py").write_text('WORD = "made for it"\n')
(packages / "pytest_of_this_host.pth").write_text(sysconfig.get_path("purelib") + "\n")
print("made", PLACE)
