"""alt-profanity-check: the probability of each text of a file, one JSON string a line, and the seconds that it took."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from profanity_check import predict_prob

texts = [json.loads(line) for line in Path(sys.argv[1]).read_text("utf-8").splitlines()]
predict_prob(["warm up"])
started = time.process_time()
scores = predict_prob(texts)
print(json.dumps({"seconds": time.process_time() - started, "scores": [float(score) for score in scores]}))
