"""Listening tests with video: the questions, the assignment of clips to listeners, the page, and the analysis.

protocol.py   what is asked: MOS-N, MOS-S, MOS-sync, CMOS, A / B / same
design.py     who hears what: incomplete blocks, balanced, seeded
stimuli.py    dubs as anonymous videos of one loudness
key.py        the secret file that says what every page showed
export.py     runs to a folder that can be published; page.py, webmushra.py and crowd.py write its parts
codes.py      answers as one line that a listener can paste
answers.py    answers back from files, codes and webMUSHRA; reading.py opens the files
screening.py  which listeners are kept
crossed.py    variances over listeners and clips at once; alpha.py agreement; preference.py Bradley–Terry
analysis.py   all of it on one test; results.py writes its tables
power.py      how many listeners are needed
agree.py      do metrics agree with people; votes.py where votes come from
"""
