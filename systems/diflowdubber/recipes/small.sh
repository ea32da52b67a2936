#!/usr/bin/env bash
# Trains `small` in one clean run: GRID s1 (the clips that are not on the published test list), toon, and 400 more
# sentences in each of toon's ten voices, with any one's face from the first step.
#   GRID=<folder of s1/ with its alignments> [OUT=runs/small] [DEVICE=auto] [PRECISION=auto] [WORKERS=0] \
#       systems/diflowdubber/recipes/small.sh [STAGE …]
# Stages, all in order without arguments; each goes on where it was when it is given again:
#   data      the further sentences, the codec, and features of everything
#   tts       stage 1 to its end
#   dub       stage 2 under one cosine, with the teacher of `tts`
#   release   weights in half precision with their codec
# `tts` and `dub` stop in order, with a checkpoint, after LIMIT seconds (default 6600) and exit status 4: the same command
# goes on. SETTINGS are single changes of the configuration for both of them, as in
#   SETTINGS="codebook_start=true soft_targets=1.0 positions=restart segments=true weights.voicing=0.1 weights.pitch=0.1"
# Fifty clips of GRID and a tenth of each of toon's sets (fifty at most) are held out of everything for validation; the
# test lists are never read.
set -euo pipefail
: "${GRID:?set GRID to the folder that holds s1/}"
OUT=${OUT:-runs/small} DEVICE=${DEVICE:-auto} PRECISION=${PRECISION:-auto} WORKERS=${WORKERS:-0} LIMIT=${LIMIT:-6600}
TTS_STEPS=${TTS_STEPS:-3000} DUB_STEPS=${DUB_STEPS:-5000} SENTENCES=${SENTENCES:-400} PYTHON=${PYTHON:-python}
mkdir -p "$OUT"
CODEC=$OUT/codec.safetensors
RECIPES=$(dirname "$0")
changes=()
for setting in ${SETTINGS:-}; do changes+=(--set "$setting"); done

features() { # data set, file, more options; exit status 3 says that some clips failed: they are listed, the rest is there
  dubbench train features --dataset "$1" --split train --codec "$CODEC" --workers "$WORKERS" --out "$2" "${@:3}" ||
    [ $? -eq 3 ]
}

train() { # stage, run, steps, more options
  dubbench train "$1" --config small --features "$OUT/grid.safetensors" --features "$OUT/toon.safetensors" \
    --features "$OUT/more.safetensors" --codec "$CODEC" --device "$DEVICE" --precision "$PRECISION" --average 0.995 \
    --save-every 250 --validate-every 250 --seconds "$LIMIT" --steps "$3" --out "$2" "${@:4}" \
    ${changes[@]+"${changes[@]}"}
}

stage() {
  case $1 in
    data)
      [ -f "$CODEC" ] ||
        dubbench codec fit --dataset grid --root "grid=$GRID" --dataset toon --split train --out "$CODEC"
      [ -f "$OUT/more_toon.done" ] || "$PYTHON" "$RECIPES/more_toon.py" --sentences "$SENTENCES" "$OUT/more_toon"
      touch "$OUT/more_toon.done"
      features grid "$OUT/grid.safetensors" --root "$GRID"
      features toon "$OUT/toon.safetensors"
      features toon "$OUT/more.safetensors" --root "$OUT/more_toon"
      ;;
    tts) train tts "$OUT/tts" "$TTS_STEPS" ;;
    dub) train dub "$OUT/dub" "$DUB_STEPS" --teacher "$OUT/tts" ;;
    release) dubbench train release "$OUT/dub" --codec "$CODEC" --out "$OUT/release" ;;
    *)
      echo "no stage '$1'; there are data, tts, dub, release" >&2
      exit 2
      ;;
  esac
}

[ $# -gt 0 ] || set -- data tts dub release
for name in "$@"; do stage "$name"; done
