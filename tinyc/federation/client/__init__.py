"""One client's end of a training: what it is asked, what it trains, what it keeps."""
