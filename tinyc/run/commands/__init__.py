"""What each command does: it takes plain values, works, and shows what was found."""
