"""dubbench's own sync expert: a pair of small encoders, lips and sound, that agree where both show the same moment."""
