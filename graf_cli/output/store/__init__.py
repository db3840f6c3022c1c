"""Files appear when they are whole: temporary files and renames, locks, sequences, resuming."""
