"""Training across clients whose examples stay with them: rounds, clients, server, privacy, encryption, terminals."""
