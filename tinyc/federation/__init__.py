"""Training across clients: what travels, who trains, who averages, who can see what."""
