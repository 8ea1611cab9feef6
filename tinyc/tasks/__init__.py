"""One package for each kind of task: labels, losses and metrics."""
