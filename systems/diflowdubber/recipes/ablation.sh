#!/usr/bin/env bash
# Table 3 on GRID s1: nine rows, three seeds each, at `tiny`, from one shared stage 1; and Table 4 with the shipped
# checkpoint. Given again after an interruption, every step goes on where it was.
#   GRID=<folder of s1/*.mpg with its alignments> [OUT=runs/ablation] [SEEDS=3] [STEPS=300] [PAGES=docs] \
#       systems/diflowdubber/recipes/ablation.sh [--dry-run]
# The results are $OUT/table/ and $OUT-nfe/table/ (Markdown, CSV, LaTeX, JSON, page); the pages docs/ablation.md and
# docs/nfe.md are written from them.
set -euo pipefail
: "${GRID:?set GRID to the folder that holds s1/}"
OUT=${OUT:-runs/ablation} SEEDS=${SEEDS:-3} STEPS=${STEPS:-300} PAGES=${PAGES:-docs}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
COMMON=(--dataset grid --root "$GRID" --split test --limit 40)
dubbench ablate "${COMMON[@]}" --size tiny --seeds "$SEEDS" --steps "$STEPS" --option stage-1-steps=600 --train-limit 400 \
  --out "$OUT" --page "$PAGES/ablation.md" "$@"
dubbench sweep "${COMMON[@]}" --nfe 1,2,4,8,16,32,64,128 --out "$OUT-nfe" --page "$PAGES/nfe.md" "$@"
