"""What a network is asked about itself: sensitivity, diagnosis, attack, and what to change."""
