"""What happens to a signal before the network sees it: filters, scaling, projections."""
