"""Pure statistics: arrays in, numbers out; no clock, no log, no I/O."""
