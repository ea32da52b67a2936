#!/usr/bin/env bash
# Trains `small`, the shipped checkpoint, on GRID s1 (the clips that are not on the published test list) and toon.
#   GRID=<folder of s1/*.mpg with its alignments> [OUT=runs/small] [DEVICE=auto] [PRECISION=auto] \
#       systems/diflowdubber/recipes/small.sh
# The shipped one was made with DEVICE=cpu PRECISION=bf16 OMP_NUM_THREADS=1 in about 2 h 20 min of one core. To save
# time its stage 1 was ended (Ctrl-C) at step 1250 of 2000, and that checkpoint given as stage 2's --teacher; stage 2 was
# begun without more_toon, which two further runs on the weights of the last one added.
# Fifty clips of GRID and a tenth of toon are held out of everything for validation; the test lists are never read.
# Given again after an interruption, every step goes on where it was. See docs/training.md for a GPU machine that has
# nothing but torch.
set -euo pipefail
: "${GRID:?set GRID to the folder that holds s1/}"
OUT=${OUT:-runs/small} DEVICE=${DEVICE:-auto} PRECISION=${PRECISION:-auto}
mkdir -p "$OUT"

CODEC=$OUT/codec.safetensors
[ -f "$CODEC" ] || dubbench codec fit --dataset grid --root "grid=$GRID" --dataset toon --split train --out "$CODEC"

features() { # data set, file, more options; exit status 3 says that some clips failed: they are listed, the rest is there
  dubbench train features --dataset "$1" --split train --codec "$CODEC" --out "$2" "${@:3}" || [ $? -eq 3 ]
}
features grid "$OUT/grid.safetensors" --root "$GRID"
features toon "$OUT/toon.safetensors"
python "$(dirname "$0")/more_toon.py" "$OUT/more_toon"
features toon "$OUT/more.safetensors" --root "$OUT/more_toon"

DATA=(--features "$OUT/grid.safetensors" --features "$OUT/toon.safetensors" --codec "$CODEC" --device "$DEVICE"
    --precision "$PRECISION" --average 0.995 --save-every 250)  # an average over the last 200 of so few steps
dubbench train tts --config small "${DATA[@]}" --out "$OUT/tts"
dubbench train dub --config small "${DATA[@]}" --teacher "$OUT/tts" --steps 2400 --out "$OUT/dub"

MORE=("${DATA[@]}" --features "$OUT/more.safetensors" --teacher "$OUT/tts" --validate-every 200)
dubbench train dub --config small "${MORE[@]}" --init "$OUT/dub/checkpoints/step-00002400" --steps 800 --out "$OUT/dub-2"
dubbench train dub --config small "${MORE[@]}" --init "$OUT/dub-2/checkpoints/step-00000800" --steps 1200 --out "$OUT/dub-3"
dubbench train release "$OUT/dub-3/checkpoints/step-00001200" --codec "$CODEC" --out "$OUT/release"
