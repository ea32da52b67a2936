"""Score finished dubs from Python and plot a column: python examples/score_two_wavs.py DUBS CLIPS"""

import sys

import dubbench

dubs, clips = sys.argv[1:]  # wavs named after the clips; a folder with clips.csv (clip, speaker, text, video)
scores = dubbench.score(dubs, dataset="folder", root=clips, metrics=["pitch", "align"], out="runs/two")
print(scores.table()[["system", "metric", "value", "n_scored"]])
rows = scores.to_pandas().query("column == 'FFE' and scored")
figure = rows.pivot(index="clip", columns="system", values="value").plot.bar(ylabel="FFE", rot=0).figure
figure.savefig("ffe.png", bbox_inches="tight")
