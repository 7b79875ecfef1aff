"""datatrove's URLFilter, with the lists it brings, on each address of a file: {"count", "seconds", "domains", "pages"}.

`domains` and `pages` are the numbers of the addresses that it drops for their host and as they are.
"""

import json
import sys
import time
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.filters import URLFilter
from tldextract import TLDExtract

step = URLFilter()
step.tldextractor = TLDExtract(suffix_list_urls=())  # its own copy of the list, no download
step.download_data()
documents = [
    Document(text="", id=str(i), metadata={"url": url})
    for i, url in enumerate(Path(sys.argv[1]).read_text().split("\n"))
]
step.filter(documents[0])
begin = time.process_time()
results = [step.filter(document) for document in documents]
seconds = time.process_time() - begin
reasons = [None if result is True else result[1] for result in results]
found = {
    "domains": [i for i, reason in enumerate(reasons) if reason in ("domain", "subdomain")],
    "pages": [i for i, reason in enumerate(reasons) if reason == "url"],
}
print(json.dumps({"count": len(documents), "seconds": seconds, **found}))
