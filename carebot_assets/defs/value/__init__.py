"""Stage value: the meta-learned rater, its scores, and which rater's choice trains best."""
