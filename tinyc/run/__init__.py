"""A recipe carried out: steps, plan, what is stored, how it ends."""
