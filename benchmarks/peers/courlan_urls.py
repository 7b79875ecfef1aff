"""courlan's canonical form of each address of a file: {"count", "seconds"}."""

import json
import sys
import time
from pathlib import Path

from courlan import normalize_url

urls = Path(sys.argv[1]).read_text().split("\n")
begin = time.process_time()
for url in urls:
    normalize_url(url)
print(json.dumps({"count": len(urls), "seconds": time.process_time() - begin}))
