"""Writes a list of the project's files, and says how many there are."""

import json
import os
from pathlib import Path

lines = sorted(str(path) for path in Path("shop").glob("*.py"))
out = Path("out", "lists")
out.mkdir(parents=True, exist_ok=True)
(out / "files.txt").write_text("\n".join(lines))
with open(os.environ["PULSEQ_METRICS"], "a") as metrics:
    metrics.write(json.dumps({"lines": len(lines)}) + "\n")
print(len(lines), "files")
