"""The numbers that the commands and the studies give at fixed seeds, kept: a change of structure moves none of them."""
