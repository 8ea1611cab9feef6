"""The run: source, passes, measures, verdicts; and its rehearsal, the plan."""
