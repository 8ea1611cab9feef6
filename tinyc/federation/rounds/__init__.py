"""The server's rounds: who is there, who is asked, what came of it, and the checkpoint after each."""
