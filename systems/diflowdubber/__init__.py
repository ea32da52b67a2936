"""DiFlowDubber: discrete flow matching for video dubbing, with its codecs, training and ablations."""
