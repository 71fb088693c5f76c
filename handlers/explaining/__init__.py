"""Why an event did, or did not do, something: from the evidence of the time (rule O3)."""
