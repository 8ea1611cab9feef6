"""How much accuracy each layer gives for channels cut and bits taken."""
