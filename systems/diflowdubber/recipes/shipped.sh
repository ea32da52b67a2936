#!/usr/bin/env bash
# How the shipped weights came about (small.sh beside it makes the next ones): `small` on GRID s1 (the clips that are
# not on the published test list) and toon.
#   GRID=<folder of s1/*.mpg with its alignments> [OUT=runs/small] [DEVICE=auto] [PRECISION=auto] \
#       systems/diflowdubber/recipes/shipped.sh
# The shipped one was made with DEVICE=cpu PRECISION=bf16 OMP_NUM_THREADS=1 in about 2 h 20 min of one core. To save
# time its stage 1 was ended (Ctrl-C) at step 1250 of 2000, and that checkpoint given as stage 2's --teacher. Stage 2 took
# four runs, each on the weights of the last one, since `more` and `faces` came later: who trains anew gives
# --features "$OUT/faces.safetensors" to one run of stage 2 from the start.
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
RECIPES=$(dirname "$0") # two more sets of 400 sentences in toon's voices: with their own faces, and with any one's
python "$RECIPES/more_toon.py" --own-faces "$OUT/more_toon"
python "$RECIPES/more_toon.py" "$OUT/faces_toon"
features toon "$OUT/more.safetensors" --root "$OUT/more_toon"
features toon "$OUT/faces.safetensors" --root "$OUT/faces_toon"

DATA=(--features "$OUT/grid.safetensors" --features "$OUT/toon.safetensors" --codec "$CODEC" --device "$DEVICE"
    --precision "$PRECISION" --average 0.995 --save-every 250)  # an average over the last 200 of so few steps
dubbench train tts --config small "${DATA[@]}" --out "$OUT/tts"
dubbench train dub --config small "${DATA[@]}" --teacher "$OUT/tts" --steps 2400 --out "$OUT/dub"

on() { # features, steps, weights to begin with, run, more options
  dubbench train dub --config small "${DATA[@]}" --features "$1" --teacher "$OUT/tts" --validate-every 200 --steps "$2" \
    --init "$3" --out "$4" "${@:5}"
}
on "$OUT/more.safetensors" 800 "$OUT/dub/checkpoints/step-00002400" "$OUT/dub-2"
on "$OUT/more.safetensors" 1200 "$OUT/dub-2/checkpoints/step-00000800" "$OUT/dub-3"
on "$OUT/faces.safetensors" 400 "$OUT/dub-3/checkpoints/step-00001200" "$OUT/dub-4" --average 0.99
dubbench train release "$OUT/dub-4/checkpoints/step-00000400" --codec "$CODEC" --out "$OUT/release"
