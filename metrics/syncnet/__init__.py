"""SyncNet's evaluation (Chung and Zisserman 2016), step by step as the published scripts run it.

The order of things: `pictures` (25 pictures a second, with the losses of the original's intermediate files), `s3fd` or
`landmark_boxes` (faces), `scenes` and `tracks` (who is who, and the crop), `network` on the crops and on `mfcc`,
`distance` (the two numbers), `pipeline` (all of it). Written anew from the scripts' behaviour; the weights are theirs.
"""
