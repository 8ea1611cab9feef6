"""What tests share: networks, data sets, contexts and files, made in code."""
