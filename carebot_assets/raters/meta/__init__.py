"""DeepMind's DataRater: a rater of sequences, trained by gradients through other trainings."""
