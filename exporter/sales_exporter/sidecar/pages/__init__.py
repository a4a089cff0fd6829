"""The pages of the alert desk: what is open, one case, the history, and the question behind a signed link."""
