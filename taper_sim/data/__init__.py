"""What comes in: patients, check-ins, doses, drugs; validated where it enters. Imports tables, model, units, rng."""
