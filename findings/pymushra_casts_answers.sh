#!/usr/bin/env bash
# Listening tests (pymushra): an answer or an id that int() or float() takes is stored as that number, and a score of 4.5 as 4.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check --no-deps pymushra==0.5 pandas==3.1.1 python-dateutil==4.0.0 tinydb==4.8.2 numpy==2.4.6 2> "$work/pip.log" || { cat "$work/pip.log"; exit 1; }
cd "$work"
venv/bin/python - <<'PY'
import json
from importlib.metadata import version

from pymushra import casting, collection_to_df
from tinydb import TinyDB
from tinydb.storages import MemoryStorage

ids, scores = ["007", "1_0", "1e3", "s1"], [4.5, "4.5"]
sent = {
    "testId": "dubs",
    "config": "dubs.yaml",
    "participant": {"name": ["name"], "response": ["Nan"]},
    "trials": [
        {"type": "likert", "id": i, "responses": [{"stimulus": "C1", "score": s, "time": 10} for s in scores]} for i in ids
    ],
}
# the steps of pymushra.service.collect, the address to which a webMUSHRA page sends, and then of its download
table = TinyDB(storage=MemoryStorage).table("dubs")
table.insert_multiple(casting.json_to_dict(casting.cast_recursively(json.loads(json.dumps(sent)))))
frame = collection_to_df(table)
seen_ids = list(dict.fromkeys(frame["wm", "id"]))
seen_scores = frame["responses", "score"].tolist()[:2]
name = frame["questionaire", "name"].iloc[0]

print(f"pymushra {version('pymushra')}: a page's answers, stored and read back")
print("guess: ids and names come back as they were sent, and 4.5 as 4.5")
print(f"seen:  ids {ids} come back as {seen_ids}")
print(f"seen:  scores {scores} (a JSON number, a JSON string) come back as {seen_scores}")
print(f"seen:  a listener of the name 'Nan' comes back as {name!r}")
assert seen_ids == ["7", "10", "1000.0", "s1"] and seen_scores == [4.0, 4.5] and name != name, "the behaviour changed"
PY
