#!/usr/bin/env bash
# Both stages of DiFlowDubber at `tiny` size on the embedded corpus, and a dub with them: minutes on two cores.
# STEPS=20 examples/train_tiny.sh shows the way in seconds; nothing intelligible comes of it.
set -euo pipefail
out=${1:-runs/tiny}
steps=${STEPS:-2000}
limit=${LIMIT:-0}
mkdir -p "$out"
features=(dubbench train features --dataset toon --split train --out "$out/toon.safetensors")
[ "$limit" = 0 ] || features+=(--limit "$limit")
"${features[@]}"
dubbench train tts --config tiny --features "$out/toon.safetensors" --steps "$steps" --out "$out/tts" --hold-out 2
dubbench train dub --config tiny --features "$out/toon.safetensors" --teacher "$out/tts" --steps "$steps" --out "$out/dub" --hold-out 2
dubbench run --system "diflowdubber(checkpoint=\"$out/dub\")" --limit 2 -m pitch -m duration --out "$out/run"
