#!/usr/bin/env bash
# Trains `small`, the shipped checkpoint, on GRID s1 (the clips that are not on the published test list) and toon.
#   GRID=<folder of s1/*.mpg with its alignments> [OUT=runs/small] [DEVICE=auto] [PRECISION=auto] \
#       systems/diflowdubber/recipes/small.sh
# The shipped one was made with DEVICE=cpu PRECISION=bf16 OMP_NUM_THREADS=1 in about 1 h 25 min of one core; to save
# time its stage 1 was ended (Ctrl-C) at step 1250 of 2000, and that checkpoint given as stage 2's --teacher. Of stage
# 2's checkpoints it is step 2000: on 20 held-out clips its FFE was the lowest (0.115; 0.124 at step 1000, where the
# validation loss is lowest), with words and timing alike.
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

DATA=(--features "$OUT/grid.safetensors" --features "$OUT/toon.safetensors" --codec "$CODEC" --device "$DEVICE"
    --precision "$PRECISION" --average 0.995 --save-every 250)  # an average over the last 200 of so few steps
dubbench train tts --config small "${DATA[@]}" --out "$OUT/tts"
dubbench train dub --config small "${DATA[@]}" --teacher "$OUT/tts" --out "$OUT/dub"
dubbench train release "$OUT/dub" --codec "$CODEC" --out "$OUT/release"
